package vfs

import (
	"context"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/holdfastdb/holdfast/locking"
	"github.com/ncruces/go-sqlite3"
	sqlitevfs "github.com/ncruces/go-sqlite3/vfs"
	"github.com/spf13/afero"
)

// What cannot be opened gets one line that names the path and a remedy, and
// nothing is created. Locks do not stay open.
func TestWhatCannotBeOpened(t *testing.T) {
	row := func(setup func(dir string) string, query string, is error, says string) func(*testing.T) {
		return func(t *testing.T) {
			dir := scratch(t)
			path := setup(dir)
			before := tree(t, dir)
			p, locks := newArbiter().process("p"), 0
			name := register(t, nil, func(context.Context, string, url.Values, locking.Storage) (locking.Locker, error) {
				locks++
				return p, nil
			})
			conn, err := tryConnect(name, path, query)
			if err == nil {
				conn.Close()
				t.Fatal("it was opened")
			}
			if !errors.Is(err, is) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error is %v; want %v and %q", err, is, says)
			}
			if locks != p.closes {
				t.Errorf("locks were opened %d times and closed %d times", locks, p.closes)
			}
			if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
				t.Errorf("files changed (-before +after):\n%s", diff)
			}
		}
	}
	file := func(name, content string) func(string) string {
		return func(dir string) string {
			path := filepath.Join(dir, name)
			if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
				t.Fatal(err)
			}
			return path
		}
	}
	named := func(name string) func(string) string {
		return func(dir string) string { return filepath.Join(dir, filepath.FromSlash(name)) }
	}
	t.Run("a directory", row(named(""), "", sqlite3.CANTOPEN_ISDIR, "directory"))
	t.Run("a text file", row(file("a.txt", "some text, longer than a header"), "", sqlite3.NOTADB, "something else"))
	t.Run("a short text file", row(file("a.txt", "text"), "", sqlite3.NOTADB, "nothing was changed"))
	t.Run("a text file, read-only", row(file("a.txt", "text"), "&mode=ro", sqlite3.NOTADB, "something else"))
	t.Run("a missing directory", row(named("no/app.db"), "", fs.ErrNotExist, "create it first"))
	t.Run("a missing file", row(named("app.db"), "&mode=rw", fs.ErrNotExist, "check the path"))
	t.Run("a missing file, read-only", row(named("app.db"), "&mode=ro", fs.ErrNotExist, "check the path"))
	t.Run("no locks, perhaps", row(file("app.db", ""), "&nolock=1x&mode=ro", sqlite3.CANTOPEN, "nolock=1x: write 0 or 1"))
	t.Run("no locks but writing", row(file("app.db", ""), "&nolock=1", sqlite3.CANTOPEN, "mode=ro"))
	t.Run("a link to nothing", row(func(dir string) string {
		os.Symlink("nothing", filepath.Join(dir, "app.db"))
		return filepath.Join(dir, "app.db")
	}, "", fs.ErrNotExist, "leads nowhere"))
	t.Run("hard links", func(t *testing.T) {
		dir := scratch(t)
		path := file("app.db", "")(dir)
		if err := os.Link(path, filepath.Join(dir, "other.db")); err != nil {
			t.Fatal(err)
		}
		_, err := tryConnect(register(t, nil, newArbiter().process("p").open), path, "")
		if err == nil || !strings.Contains(err.Error(), "hard links") {
			t.Errorf("error is %v", err)
		}
	})
}

func TestReadOnlyDirectory(t *testing.T) {
	// The superuser may write everywhere, so the file system says no by itself.
	files := afero.NewReadOnlyFs(afero.NewOsFs())
	path := filepath.Join(scratch(t), "app.db")
	a := newArbiter()
	name := register(t, readOnlyDir{files}, a.process("p").open)
	_, err := tryConnect(name, path, "")
	if !errors.Is(err, sqlite3.READONLY_DIRECTORY) && !strings.Contains(err.Error(), "grant write access") {
		t.Errorf("creating there: %v", err)
	}
	run(t, connect(t, register(t, nil, a.process("q").open), path, ""), "CREATE TABLE t(x)")
	conn := connect(t, name, path, "")
	want(t, conn, "SELECT count(*) FROM t", "0")
	if ro, _ := conn.ReadOnly("main"); !ro {
		t.Error("it was not opened read-only")
	}
	if err := conn.Exec("INSERT INTO t VALUES (1)"); !errors.Is(err, sqlite3.READONLY) {
		t.Errorf("writing there: %v", err)
	}
}

// readOnlyDir shows a directory as one that may not be written.
type readOnlyDir struct{ afero.Fs }

func (r readOnlyDir) Stat(name string) (os.FileInfo, error) {
	info, err := r.Fs.Stat(name)
	if err == nil && info.IsDir() {
		info = plainInfo{info}
	}
	return info, err
}

type plainInfo struct{ os.FileInfo }

func (plainInfo) Mode() fs.FileMode { return fs.ModeDir | 0o555 }

// tree lists all names below a directory.
func tree(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			content, _ := os.ReadFile(path)
			path += ": " + string(content)
		}
		names = append(names, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// One file is one database, whatever it is called.
func TestSpellings(t *testing.T) {
	dir := scratch(t)
	path := filepath.Join(dir, "app.db")
	if err := os.Symlink(dir, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("app.db", filepath.Join(dir, "alias.db")); err != nil {
		t.Fatal(err)
	}
	a := newArbiter()
	var opened []string
	name := register(t, nil, func(_ context.Context, path string, _ url.Values, _ locking.Storage) (locking.Locker, error) {
		opened = append(opened, path)
		return a.process("p"), nil
	})
	first := connect(t, name, path, "")
	for _, spelling := range []string{"app.db", "./app.db", "link/app.db", "alias.db", "link/link/alias.db"} {
		conn := connect(t, name, dir+"/"+spelling, "")
		if FileOf(conn, "main").db != FileOf(first, "main").db {
			t.Errorf("%s is another database", spelling)
		}
	}
	if diff := cmp.Diff([]string{path}, opened); diff != "" {
		t.Errorf("locks opened (-want +got):\n%s", diff)
	}
	t.Chdir(dir)
	if got := FileOf(connect(t, name, "app.db", ""), "main").Path(); got != path {
		t.Errorf("the relative path leads to %q", got)
	}
}

// A hard link that appears while the database is open is found too.
func TestSecondNameOfAnOpenFile(t *testing.T) {
	dir := scratch(t)
	path := filepath.Join(dir, "app.db")
	p := newArbiter().process("p")
	p.grade = locking.GradeKernel
	name := register(t, nil, p.open)
	connect(t, name, path, "")
	if err := os.Link(path, filepath.Join(dir, "b.db")); err != nil {
		t.Fatal(err)
	}
	if _, err := tryConnect(name, filepath.Join(dir, "b.db"), ""); err == nil || !strings.Contains(err.Error(), "under another name") {
		t.Errorf("error is %v", err)
	}
}

func TestReplacedFile(t *testing.T) {
	path := filepath.Join(scratch(t), "app.db")
	name := register(t, nil, newArbiter().process("p").open)
	first := connect(t, name, path, "")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := tryConnect(name, path, ""); err == nil || !strings.Contains(err.Error(), "replaced or deleted") {
		t.Errorf("error is %v", err)
	}
	first.Close()
	connect(t, name, path, "")
}

func TestLockOptionsMustAgree(t *testing.T) {
	path := filepath.Join(scratch(t), "app.db")
	var got url.Values
	p := newArbiter().process("p")
	name := register(t, nil, func(_ context.Context, _ string, params url.Values, _ locking.Storage) (locking.Locker, error) {
		got = params
		return p, nil
	})
	connect(t, name, path, "&lock=leasefile&ttl=5s&cache=private&_pragma=user_version&psow=1")
	if diff := cmp.Diff(url.Values{"lock": {"leasefile"}, "ttl": {"5s"}}, got); diff != "" {
		t.Errorf("options (-want +got):\n%s", diff)
	}
	connect(t, name, path, "")
	connect(t, name, path, "&ttl=5s")
	if _, err := tryConnect(name, path, "&ttl=6s"); err == nil || !strings.Contains(err.Error(), "ttl=5s") {
		t.Errorf("error is %v", err)
	}
}

// Who waits while somebody else opens the database has nothing to do with the mistake
// in that one's options, but shares what is wrong with its own.
func TestOpeningBesideOneThatFails(t *testing.T) {
	for query, want := range map[string]string{"": "", "&ttl=oops": "ttl is wrong", "&ttl=1s": ""} {
		t.Run(query, func(t *testing.T) {
			p := newArbiter().process("p")
			path := filepath.Join(scratch(t), "app.db")
			opening, fail := make(chan bool), make(chan bool)
			name := register(t, nil, func(_ context.Context, _ string, params url.Values, _ locking.Storage) (locking.Locker, error) {
				if params.Get("ttl") != "oops" {
					return p, nil
				}
				opening <- true
				<-fail
				return nil, errors.New("ttl is wrong")
			})
			var both sync.WaitGroup
			both.Go(func() {
				if _, err := tryConnect(name, path, "&ttl=oops"); err == nil {
					t.Error("it was opened")
				}
			})
			<-opening
			both.Go(func() {
				conn, err := tryConnect(name, path, query)
				if err == nil {
					conn.Close()
				}
				if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
					t.Errorf("beside it: %v", err)
				}
			})
			v := sqlitevfs.Find(name).(*VFS)
			for waiting := false; !waiting; runtime.Gosched() {
				v.mu.Lock()
				waiting = v.databases[path].refs == 2
				v.mu.Unlock()
			}
			close(fail)
			both.Wait()
		})
	}
}

// A failed opening leaves no trace: the next one starts anew, and the locks are
// closed once with the last connection.
func TestLocksAreOpenedAndClosedOnce(t *testing.T) {
	path := filepath.Join(scratch(t), "app.db")
	p := newArbiter().process("p")
	fail := errors.New("no locks today")
	name := register(t, nil, func(context.Context, string, url.Values, locking.Storage) (locking.Locker, error) {
		if fail != nil {
			return nil, fail
		}
		return p, nil
	})
	if _, err := tryConnect(name, path, ""); !errors.Is(err, fail) {
		t.Errorf("error is %v", err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("a database was created without locks: %v", err)
	}
	fail = nil
	one, two := connect(t, name, path, ""), connect(t, name, path, "")
	one.Close()
	if p.closes != 0 {
		t.Error("the locks were closed under the second connection")
	}
	two.Close()
	if p.closes != 1 {
		t.Errorf("the locks were closed %d times", p.closes)
	}
	connect(t, name, path, "")
}

func TestReadOnly(t *testing.T) {
	for _, query := range []string{"&mode=ro", "&immutable=1", "&nolock=1&mode=ro"} {
		t.Run(query, func(t *testing.T) {
			a := newArbiter()
			dir := scratch(t)
			path := filepath.Join(dir, "app.db")
			name := register(t, nil, a.process("p").open)
			writer := connect(t, name, path, "")
			run(t, writer, "CREATE TABLE t(x); INSERT INTO t VALUES (1)")
			reader := connect(t, name, path, query)
			want(t, reader, "SELECT x FROM t", "1")
			if err := reader.Exec("INSERT INTO t VALUES (2)"); !errors.Is(err, sqlite3.READONLY) {
				t.Errorf("writing: %v", err)
			}
			run(t, writer, "INSERT INTO t VALUES (2)")
			if grade := FileOf(reader, "main").Grade(); (grade == GradeUnlocked) == (query == "&mode=ro") {
				t.Errorf("grade is %s", grade)
			}
		})
	}
}

// A connection that only reads may come first; the next one can write.
func TestReaderThenWriter(t *testing.T) {
	a := newArbiter()
	path := filepath.Join(scratch(t), "app.db")
	run(t, connect(t, register(t, nil, a.process("maker").open), path, ""), "CREATE TABLE t(x)")
	name := register(t, nil, a.process("p").open)
	reader := connect(t, name, path, "&mode=ro")
	want(t, reader, "SELECT count(*) FROM t", "0")
	writer := connect(t, name, path, "")
	run(t, writer, "INSERT INTO t VALUES (1)")
	want(t, reader, "SELECT count(*) FROM t", "1")
}
