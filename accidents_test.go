package holdfast

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ncruces/go-sqlite3"
	"github.com/spf13/afero"

	"github.com/holdfastdb/holdfast/locking"
)

// A narrow file system gives an error for each new file and each write to one whose
// name is that of a copy.
type narrow struct {
	afero.Fs
	create, write atomic.Pointer[error]
}

func (n *narrow) OpenFile(name string, flag int, perm os.FileMode) (afero.File, error) {
	_, _, isCopy := locking.ParseFileName(filepath.Base(name))
	if err := n.create.Load(); err != nil && isCopy && flag&os.O_CREATE != 0 {
		return nil, &os.PathError{Op: "open", Path: name, Err: *err}
	}
	f, err := n.Fs.OpenFile(name, flag, perm)
	if err == nil && isCopy {
		f = &narrowFile{f, n}
	}
	return f, err
}

type narrowFile struct {
	afero.File
	fs *narrow
}

func (f *narrowFile) WriteAt(p []byte, off int64) (int, error) {
	if err := f.fs.write.Load(); err != nil {
		return 0, &os.PathError{Op: "write", Path: f.Name(), Err: *err}
	}
	return f.File.WriteAt(p, off)
}

// A takeover that finds no room is one line that says so. It leaves everything as it
// was, and is tried again when there is some.
func TestTakeoverThatCannotBe(t *testing.T) {
	for name, test := range map[string]struct {
		create, write error
		want          string
	}{
		"disk full":     {write: syscall.ENOSPC, want: "make room"},
		"over quota":    {write: syscall.EDQUOT, want: "make room"},
		"no more files": {create: syscall.ENOSPC, want: "make room"},
		"read-only":     {create: syscall.EROFS, want: "read-only file system"},
		"not allowed":   {create: syscall.EACCES, want: "permission denied"},
	} {
		t.Run(name, func(t *testing.T) {
			path, o := lease(t, "_pragma", "busy_timeout(5000)")
			disk := &narrow{Fs: afero.NewOsFs()}
			o.FS = disk
			db := open(t, path, o)
			exec(t, db, `CREATE TABLE t (x); INSERT INTO t VALUES (1)`)
			tx := begin(t, db, `INSERT INTO t VALUES (2)`)
			evict(t, path)
			if err := tx.Commit(); !errors.Is(err, ErrLost) {
				t.Fatal(err)
			}
			before := list(t, filepath.Dir(path))
			if test.create != nil {
				disk.create.Store(&test.create)
			}
			if test.write != nil {
				disk.write.Store(&test.write)
			}
			for range 2 {
				_, err := db.Exec(`INSERT INTO t VALUES (3)`)
				if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "app.db@") || strings.Contains(err.Error(), "\n") || errors.Is(err, ErrLost) {
					t.Errorf("error is %v, want one line with %q", err, test.want)
				}
				if full := test.want == "make room"; full != errors.Is(err, sqlite3.FULL) {
					t.Errorf("%v: SQLITE_FULL is %v, want %v", err, !full, full)
				}
			}
			if diff := cmp.Diff(before, list(t, filepath.Dir(path))); diff != "" {
				t.Errorf("files (-before +after):\n%s", diff)
			}
			disk.create.Store(nil)
			disk.write.Store(nil)
			exec(t, db, `INSERT INTO t VALUES (4)`)
			if n := query[int](t, db, `SELECT sum(x) FROM t`); n != 5 {
				t.Errorf("the sum is %d, want 5", n)
			}
		})
	}
}

// What somebody else left under the name of a copy is neither read nor removed.
func TestForgedCopies(t *testing.T) {
	path, o := lease(t, "_pragma", "busy_timeout(30000)")
	dir := filepath.Dir(path)
	db := open(t, path, o)
	exec(t, db, `CREATE TABLE t (x); INSERT INTO t VALUES (1)`)
	forged := []string{"app.db@1-deadbeef", "app.db@99-00000000", "app.db@99-00000000-journal", "app.db@3-DEADBEEF", "app.db@0-00000000"}
	for _, name := range forged {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	tx := begin(t, db, `INSERT INTO t VALUES (2)`)
	evict(t, path)
	if err := tx.Commit(); !errors.Is(err, ErrLost) {
		t.Fatal(err)
	}
	if n := query[int](t, db, `SELECT sum(x) FROM t`); n != 1 {
		t.Errorf("the sum is %d, want 1", n)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := Settle(t.Context(), dsn(path, o), false, nil); err != nil {
		t.Fatal(err)
	}
	for _, name := range forged {
		if text, err := os.ReadFile(filepath.Join(dir, name)); string(text) != name {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
	if n := query[int](t, open(t, path, o), `SELECT sum(x) FROM t`); n != 1 {
		t.Errorf("the sum is %d, want 1", n)
	}
}

// Of two databases one of whose names is that of a copy of the other, neither is
// taken for the other.
func TestNamesThatDifferByASuffix(t *testing.T) {
	for _, first := range []string{"app.db", "app.db@1-0123abcd"} {
		t.Run(first, func(t *testing.T) {
			dir := t.TempDir()
			for _, name := range []string{"app.db@1-0123abcd", "app.db"} {
				db := open(t, filepath.Join(dir, first), Options{Lock: "leasefile"})
				exec(t, db, `CREATE TABLE IF NOT EXISTS t (x)`)
				if name == first {
					continue
				}
				_, err := open(t, filepath.Join(dir, name), Options{Lock: "leasefile"}).Exec(`CREATE TABLE t (x)`)
				if err == nil || !strings.Contains(err.Error(), "app.db") || strings.Contains(err.Error(), "\n") {
					t.Errorf("%s beside %s: %v, want one line that says why not", name, first, err)
				}
			}
		})
	}
}

// An operator who deletes the register of a database in use gets nothing lost: who
// has it open is refused, and nobody is let in before a file was adopted.
func TestRegisterDeletedInMidFlight(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.db")
	name := "file:" + path + "?lock=leasefile&poll=50ms&_pragma=busy_timeout(30000)"
	db := open(t, name, Options{})
	exec(t, db, `CREATE TABLE t (x); INSERT INTO t VALUES (1)`)
	tx := begin(t, db, `INSERT INTO t VALUES (2)`)
	if err := os.RemoveAll(path + leaseSuffix); err != nil {
		t.Fatal(err)
	}
	if err := Adopt(t.Context(), name, ""); err == nil || !strings.Contains(err.Error(), "close it first") {
		t.Errorf("adopted while it is open: %v", err)
	}
	if err := tx.Commit(); !errors.Is(err, ErrLost) {
		t.Errorf("commit: %v, want %v", err, ErrLost)
	}
	for range 2 {
		if _, err := db.Exec(`INSERT INTO t VALUES (3)`); err == nil || !strings.Contains(err.Error(), "holdfast adopt") || strings.Contains(err.Error(), "\n") {
			t.Errorf("afterwards: %v", err)
		}
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	status, err := Status(t.Context(), name)
	if err != nil || len(status.Notes) != 1 || !strings.Contains(status.Notes[0], "was never used, though app.db.holdfast speaks of it") {
		t.Errorf("%+v, %v", status, err)
	}
	inv, err := Inspect(t.Context(), name)
	if err != nil || inv.Damage == nil || len(inv.Candidates) != 1 {
		t.Fatalf("%+v, %v", inv, err)
	}
	if err := Adopt(t.Context(), name, inv.Candidates[0].File); err != nil {
		t.Fatal(err)
	}
	if err := Adopt(t.Context(), name, ""); !errors.Is(err, ErrIntact) {
		t.Errorf("adopted again: %v, want %v", err, ErrIntact)
	}
	db = open(t, name, Options{})
	if n := query[int](t, db, `SELECT sum(x) FROM t`); n != 1 {
		t.Errorf("the sum is %d, want 1", n)
	}
}
