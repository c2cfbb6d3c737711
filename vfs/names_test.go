package vfs

import (
	"context"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/holdfastdb/holdfast/backends/memory"
	"github.com/holdfastdb/holdfast/locking"
	"github.com/ncruces/go-sqlite3"
	"github.com/spf13/afero"
)

// A host is a process with a Coordinator of its own on each database. Hosts that
// share registers exclude each other.
type registers map[string]*memory.Register

func (r registers) of(path string) *memory.Register {
	if r[path] == nil {
		r[path] = memory.New()
	}
	return r[path]
}

// fenced is an [Opener].
func (r registers) fenced(_ context.Context, path string, _ url.Values, storage locking.Storage) (locking.Locker, error) {
	return locking.NewCoordinator(r.of(path), locking.Options{TTL: 30 * time.Second, Poll: 5 * time.Millisecond, Storage: storage})
}

// evict has everybody in the record of a database expire, without telling them.
func (r registers) evict(t testing.TB, path string) {
	t.Helper()
	reg := r.of(path)
	for {
		value, version, err := reg.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		rec, err := locking.DecodeRecord(value)
		if err != nil {
			t.Fatal(err)
		}
		req := locking.Request{Holder: locking.Holder{ID: "evictor"}, Fence: &locking.Fencing{Database: filepath.Base(path)}}
		for _, e := range rec.Entries {
			req.Expired = append(req.Expired, e.Holder.ID)
		}
		next, _ := rec.Step(req)
		if value, err = next.Encode(); err != nil {
			t.Fatal(err)
		}
		_, err = reg.CompareAndSwap(t.Context(), version, value)
		if err == nil {
			return
		}
		if !errors.Is(err, locking.ErrConflict) {
			t.Fatal(err)
		}
	}
}

// file returns the base name of the file that the register names.
func (r registers) file(t testing.TB, path string) string {
	t.Helper()
	value, _, err := r.of(path).Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rec, err := locking.DecodeRecord(value)
	if err != nil {
		t.Fatal(err)
	}
	return rec.File
}

// takenOver makes a database with one table, and has it taken over. It returns the
// registers, and the base name of the file that it is then.
func takenOver(t testing.TB, files afero.Fs, path string) (registers, string) {
	t.Helper()
	r := make(registers)
	first := connect(t, register(t, files, r.fenced), path, "")
	run(t, first, "CREATE TABLE t(x); INSERT INTO t VALUES (1); BEGIN IMMEDIATE")
	r.evict(t, path)
	second := connect(t, register(t, files, r.fenced), path, "")
	second.BusyTimeout(10 * time.Second)
	run(t, second, "INSERT INTO t VALUES (2)")
	second.Close()
	first.Close()
	file := r.file(t, path)
	if file == "" {
		t.Fatal("it was not taken over")
	}
	return r, file
}

// After a takeover the database is found by its plain name, however it is asked for.
func TestDatabaseIsFoundByItsPlainName(t *testing.T) {
	dir := scratch(t)
	path := filepath.Join(dir, "app.db")
	r, file := takenOver(t, nil, path)
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the plain name: %v, want that it is gone", err)
	}
	name := register(t, nil, r.fenced)
	uri := "file:" + filepath.ToSlash(path) + "?vfs=" + name
	t.Run("read-only", func(t *testing.T) {
		conn := connect(t, name, path, "&mode=ro")
		want(t, conn, "SELECT sum(x) FROM t", "3")
	})
	t.Run("without creating it", func(t *testing.T) {
		want(t, connect(t, name, path, "&mode=rw"), "SELECT sum(x) FROM t", "3")
	})
	t.Run("by its journal mode", func(t *testing.T) {
		for _, mode := range []string{"wal", "truncate", "persist", "delete"} {
			conn := connect(t, name, path, "")
			want(t, conn, "PRAGMA journal_mode="+mode, mode)
			run(t, conn, "INSERT INTO t VALUES (0)")
			conn.Close()
		}
		for name := range files(t, dir) {
			if name != file && name != "app.db.holdfast" {
				t.Errorf("left behind: %s", name)
			}
		}
	})
	t.Run("attached", func(t *testing.T) {
		conn := connect(t, name, filepath.Join(dir, "other.db"), "")
		run(t, conn, "ATTACH '"+uri+"' AS app")
		want(t, conn, "SELECT sum(x) FROM app.t", "3")
		want(t, conn, "SELECT file FROM pragma_database_list WHERE name='app'", path)
	})
	t.Run("copied", func(t *testing.T) {
		conn := connect(t, name, path, "")
		run(t, conn, "VACUUM INTO 'file:"+filepath.ToSlash(dir)+"/into.db?vfs="+name+"'")
		if err := conn.Backup("main", filepath.Join(dir, "backup.db")); err != nil {
			t.Error(err)
		}
		want(t, connect(t, name, filepath.Join(dir, "into.db"), ""), "SELECT sum(x) FROM t", "3")
		plain, err := sqlite3.Open(filepath.Join(dir, "backup.db"))
		if err != nil {
			t.Fatal(err)
		}
		defer plain.Close()
		want(t, plain, "SELECT sum(x) FROM t", "3")
	})
	t.Run("vacuumed", func(t *testing.T) {
		conn := connect(t, name, path, "")
		run(t, conn, "VACUUM")
		if moved, err := FileOf(conn, "main").HasMoved(); moved || err != nil {
			t.Error(moved, err)
		}
		if got := FileOf(conn, "main").Path(); got != path {
			t.Errorf("its path is %q", got)
		}
	})
}

// Connections of one process go on in the new file, together, and drop what they knew.
func TestConnectionsFollowTheDatabase(t *testing.T) {
	for _, mode := range []string{"delete", "truncate", "persist"} {
		t.Run(mode, func(t *testing.T) {
			path := filepath.Join(scratch(t), "app.db")
			r := make(registers)
			one := register(t, nil, r.fenced)
			a, b := connect(t, one, path, ""), connect(t, one, path, "")
			run(t, a, "CREATE TABLE t(x); INSERT INTO t VALUES (1); PRAGMA journal_mode="+mode)
			run(t, b, "PRAGMA journal_mode="+mode)
			want(t, b, "SELECT sum(x) FROM t", "1")

			other := connect(t, register(t, nil, r.fenced), path, "")
			other.BusyTimeout(10 * time.Second)
			run(t, other, "BEGIN IMMEDIATE; INSERT INTO t VALUES (10)")
			r.evict(t, path) // in mid-transaction
			b.BusyTimeout(10 * time.Second)
			run(t, b, "INSERT INTO t VALUES (2)")
			if err := other.Exec("COMMIT"); !errors.Is(Explain(other, err), locking.ErrLost) {
				t.Errorf("the stale one committed: %v", Explain(other, err))
			}
			want(t, a, "SELECT sum(x) FROM t", "3")
			run(t, a, "INSERT INTO t VALUES (4)")
			want(t, b, "SELECT sum(x) FROM t", "7")
			if r.file(t, path) == "" {
				t.Error("it was not taken over")
			}
		})
	}
}

// unnoticed is a lock that does not tell that it was lost.
type unnoticed struct{ locking.SoleLock }

func (unnoticed) Check() error { return nil }

// A process that loses its own lease takes its own database over. The connection that
// was lost stays with the former file, though the others are in the new one: even what
// it was about to write when it was lost goes there.
func TestLostConnectionStaysWithItsFile(t *testing.T) {
	path := filepath.Join(scratch(t), "app.db")
	r := make(registers)
	name := register(t, nil, r.fenced)
	lost, next := connect(t, name, path, ""), connect(t, name, path, "")
	run(t, lost, "CREATE TABLE t(x); INSERT INTO t VALUES (1); PRAGMA cache_size=1; PRAGMA cache_spill=1; BEGIN IMMEDIATE; INSERT INTO t SELECT zeroblob(5000) FROM sqlite_schema, (VALUES (1),(2),(3))")
	f := FileOf(lost, "main")
	f.lock.Doubt(errors.New("the test said so"))
	for start := time.Now(); ; { // it gives up at once, and the takeover goes on
		_, err := tryValue(next, "SELECT count(*) FROM t")
		if !errors.Is(err, sqlite3.BUSY) {
			t.Fatalf("it recovered the copy while the lost one could still take the journal for its own: %v", err)
		}
		if err = Explain(next, err); strings.Contains(err.Error(), "lost its lease and has not ended its transaction") {
			break
		}
		if time.Since(start) > 10*time.Second {
			t.Fatalf("it does not come to the copy: %v", err)
		}
	}
	if r.file(t, path) == "" {
		t.Fatal("it was not taken over")
	}
	before := files(t, filepath.Dir(path))
	f.lock = unnoticed{f.lock.(locking.SoleLock)}
	run(t, lost, "UPDATE t SET x=zeroblob(7000)")
	if err := lost.Exec("COMMIT"); !errors.Is(Explain(lost, err), locking.ErrLost) {
		t.Errorf("the lost one: %v", err)
	}
	lost.Exec("ROLLBACK")
	after := files(t, filepath.Dir(path))
	for _, side := range append(sides, "") {
		if before[r.file(t, path)+side] != after[r.file(t, path)+side] {
			t.Errorf("the lost one reached the new file%s", side)
		}
	}
	run(t, next, "INSERT INTO t VALUES (2)")
	lost.Close()
	want(t, next, "SELECT count(*) FROM t", "2")
	want(t, next, "PRAGMA integrity_check", "ok")
}

// What is wrong with the files or the register is said in one line, with a remedy.
// Nothing is lost, and nothing is created.
func TestWhereaboutsThatCannotBeKnown(t *testing.T) {
	flock := func(context.Context, string, url.Values, locking.Storage) (locking.Locker, error) {
		p := newArbiter().process("p")
		p.grade = locking.GradeKernel
		return p, nil
	}
	type row struct {
		name  string
		setup func(t *testing.T, path, file string, r registers) Opener
		open  string // base name, or "a copy"; "" is app.db
		query string
		is    error
		says  []string
	}
	remove := func(t *testing.T, name string) {
		t.Helper()
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range []row{
		{"the file of the record is missing", func(t *testing.T, path, file string, r registers) Opener {
			remove(t, filepath.Join(filepath.Dir(path), file))
			return r.fenced
		}, "", "", fs.ErrNotExist, []string{"app.db@", "holdfast adopt"}},
		{"it is missing, and the plain name leads to an old one", func(t *testing.T, path, file string, r registers) Opener {
			if err := os.Rename(filepath.Join(filepath.Dir(path), file), path); err != nil {
				t.Fatal(err)
			}
			return r.fenced
		}, "", "", fs.ErrNotExist, []string{"app.db@", "holdfast adopt"}},
		{"the register was deleted", func(t *testing.T, path, file string, r registers) Opener {
			r.of(path).Wipe()
			return r.fenced
		}, "", "", ErrAdopt, []string{"app.db.holdfast", "never been used", "holdfast adopt"}},
		{"the register and the marker were deleted", func(t *testing.T, path, file string, r registers) Opener {
			r.of(path).Wipe()
			remove(t, path+".holdfast")
			return r.fenced
		}, "", "", ErrAdopt, []string{"app.db@", "never been used", "holdfast adopt"}},
		{"another register is given", func(t *testing.T, path, file string, _ registers) Opener {
			other := make(registers)
			conn := connect(t, register(t, nil, other.fenced), filepath.Join(scratch(t), "app.db"), "")
			run(t, conn, "CREATE TABLE t(x)")
			for _, reg := range other {
				return registers{path: reg}.fenced
			}
			return nil
		}, "", "", ErrAdopt, []string{"app.db.holdfast", "another one", "holdfast adopt"}},
		{"the marker is something else", func(t *testing.T, path, file string, r registers) Opener {
			if err := os.WriteFile(path+".holdfast", []byte("my notes\n"), 0o666); err != nil {
				t.Fatal(err)
			}
			return r.fenced
		}, "", "", locking.ErrForeign, []string{"app.db.holdfast"}},
		{"its lock does not exclude the one of the marker", func(t *testing.T, path, file string, r registers) Opener {
			if err := os.WriteFile(path, []byte("SQLite format 3\x00"), 0o666); err != nil {
				t.Fatal(err)
			}
			return flock
		}, "", "", nil, []string{"app.db.holdfast", "memory"}},
		{"the lock is that of another database", func(t *testing.T, path, file string, r registers) Opener {
			for name := range files(t, filepath.Dir(path)) {
				if err := os.Rename(filepath.Join(filepath.Dir(path), name), filepath.Join(filepath.Dir(path), strings.Replace(name, "app", "old", 1))); err != nil {
					t.Fatal(err)
				}
			}
			return registers{filepath.Join(filepath.Dir(path), "old.db"): r.of(path)}.fenced
		}, "old.db", "", ErrAdopt, []string{"app.db@", "lock of its own", "renamed"}},
		{"a copy is opened as a database", func(t *testing.T, path, file string, r registers) Opener { return r.fenced },
			"a copy", "", nil, []string{"open", "app.db\""}},
		{"it is read without locks", func(t *testing.T, path, file string, r registers) Opener { return r.fenced },
			"", "&nolock=1&mode=ro", nil, []string{"app.db@"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := scratch(t)
			path := filepath.Join(dir, "app.db")
			r, file := takenOver(t, nil, path)
			open := row.setup(t, path, file, r)
			before := files(t, dir)
			target := path
			switch row.open {
			case "":
			case "a copy":
				target = filepath.Join(dir, file)
			default:
				target = filepath.Join(dir, row.open)
			}
			conn, err := tryConnect(register(t, nil, open), target, row.query)
			if err == nil {
				conn.Close()
				t.Fatal("it was opened")
			}
			if row.is != nil && !errors.Is(err, row.is) {
				t.Errorf("error is %v, want %v", err, row.is)
			}
			for _, says := range row.says {
				if !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "\n") {
					t.Errorf("%q is not said: %v", says, err)
				}
			}
			if diff := cmp.Diff(before, files(t, dir)); diff != "" {
				t.Errorf("files changed (-before +after):\n%.500s", diff)
			}
		})
	}
}

// The plain file was deleted under a register that says that it is the database: no
// empty one takes its place, unless somebody removes the marker as well.
func TestDeletedDatabaseIsNotBegunAnew(t *testing.T) {
	path, r := closed(t)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	name := register(t, nil, r.fenced)
	if _, err := tryConnect(name, path, ""); !errors.Is(err, ErrAdopt) || !strings.Contains(err.Error(), "app.db.holdfast") {
		t.Errorf("error is %v, want %v", err, ErrAdopt)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("it was begun anew")
	}
	if err := os.Remove(path + markerSuffix); err != nil {
		t.Fatal(err)
	}
	run(t, connect(t, name, path, ""), "CREATE TABLE t(x)")
}

// A database may be missing for as long as a process has it open. Then it says which
// file is not there.
func TestFileThatVanishesWhileOpen(t *testing.T) {
	path := filepath.Join(scratch(t), "app.db")
	r, file := takenOver(t, nil, path)
	conn := connect(t, register(t, nil, r.fenced), path, "")
	want(t, conn, "SELECT sum(x) FROM t", "3")
	other := connect(t, register(t, nil, r.fenced), path, "")
	other.BusyTimeout(10 * time.Second)
	run(t, other, "INSERT INTO t VALUES (3)")
	if err := os.Remove(filepath.Join(filepath.Dir(path), file)); err != nil {
		t.Fatal(err)
	}
	conn.BusyTimeout(10 * time.Second)
	_, err := tryValue(conn, "SELECT sum(x) FROM t")
	if err = Explain(conn, err); !errors.Is(err, ErrAdopt) || !strings.Contains(err.Error(), file) {
		t.Errorf("error is %v, want %v and %s", err, ErrAdopt, file)
	}
}

// An @ in a name means nothing by itself, and files that nobody here made are left
// alone.
func TestOtherFilesAreLeftAlone(t *testing.T) {
	dir := scratch(t)
	path := filepath.Join(dir, "app.db")
	forged := map[string]string{
		"app.db@3-deadbeef": "forged", "app.db@999-00000000": "forged too", "app.db@": "x", "app.db@1": "y", "app.db@01-deadbeef": "z",
	}
	r := make(registers)
	conn := connect(t, register(t, nil, r.fenced), path, "")
	run(t, conn, "CREATE TABLE t(x)")
	conn.Close()
	for name, content := range forged {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	first := connect(t, register(t, nil, r.fenced), path, "")
	run(t, first, "BEGIN IMMEDIATE; INSERT INTO t VALUES (1)")
	r.evict(t, path)
	second := connect(t, register(t, nil, r.fenced), path, "")
	second.BusyTimeout(10 * time.Second)
	run(t, second, "INSERT INTO t VALUES (2)")
	second.Close()
	first.Close()
	there := files(t, dir)
	for name, content := range forged {
		if there[name] != content {
			t.Errorf("%s is now %q", name, there[name])
		}
	}
	for _, name := range []string{"a@b.db", "other.db@7-deadbeef", "app.db@home"} {
		conn := connect(t, register(t, nil, r.fenced), filepath.Join(dir, name), "")
		run(t, conn, "CREATE TABLE t(x); INSERT INTO t VALUES (1)")
	}
}

// The copy is as private as the original.
func TestCopyHasThePermissionsOfTheDatabase(t *testing.T) {
	path := filepath.Join(scratch(t), "app.db")
	if err := os.WriteFile(path, nil, 0o640); err != nil {
		t.Fatal(err)
	}
	_, file := takenOver(t, nil, path)
	info, err := os.Stat(filepath.Join(filepath.Dir(path), file))
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("%v %v, want 0640", info.Mode(), err)
	}
}

// A marker is there once the database was used, and whoever replaces it decides.
func TestMarker(t *testing.T) {
	path := filepath.Join(scratch(t), "app.db")
	r := make(registers)
	v := New(nil, r.fenced)
	if _, err := v.ReadMarker(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before: %v", err)
	}
	conn := connect(t, register(t, nil, r.fenced), path, "")
	run(t, conn, "CREATE TABLE t(x)")
	m, err := v.ReadMarker(path)
	if err != nil || m.Register == "" || m.Lock == "" {
		t.Errorf("marker is %+v, %v", m, err)
	}
	conn.Close()
	if err := v.WriteMarker(path, Marker{Register: "another", Lock: "somewhere:"}); err != nil {
		t.Fatal(err)
	}
	if _, err := tryConnect(register(t, nil, r.fenced), path, ""); !errors.Is(err, ErrAdopt) || !strings.Contains(err.Error(), "somewhere:") {
		t.Errorf("error is %v", err)
	}
	for name := range files(t, filepath.Dir(path)) {
		if name != "app.db" && name != "app.db"+markerSuffix {
			t.Errorf("left behind: %s", name)
		}
	}
	// What a crash left unfinished counts as none, and is written anew.
	if err := os.WriteFile(path+markerSuffix, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	want(t, connect(t, register(t, nil, r.fenced), path, ""), "SELECT count(*) FROM t", "0")
	if again, err := v.ReadMarker(path); err != nil || again != m {
		t.Errorf("marker is %+v, %v, want %+v", again, err, m)
	}
}

// closed makes a database that nobody has open, and the registers in which its lock is.
func closed(t *testing.T) (path string, r registers) {
	t.Helper()
	path, r = filepath.Join(scratch(t), "app.db"), make(registers)
	conn := connect(t, register(t, nil, r.fenced), path, "")
	run(t, conn, "CREATE TABLE t(x)")
	conn.Close()
	return path, r
}
