package holdfast

import (
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/ncruces/go-sqlite3"
)

// takenOver makes a database with one row that lies in a copy since its holder
// expired, and that nobody has open. It returns its path, the options to open it and
// the name of the copy.
func takenOver(t *testing.T, params ...string) (path string, o Options, file string) {
	t.Helper()
	path, o = lease(t, append([]string{"_pragma", "busy_timeout(30000)"}, params...)...)
	db := open(t, path, o)
	exec(t, db, `CREATE TABLE t (x); INSERT INTO t VALUES (1)`)
	tx := begin(t, db, `INSERT INTO t VALUES (2)`)
	evict(t, path)
	if err := tx.Commit(); !errors.Is(err, ErrLost) {
		t.Fatal(err)
	}
	exec(t, db, `DELETE FROM t WHERE x = 2`) // in a WAL it was complete
	if n := query[int](t, db, `SELECT sum(x) FROM t`); n != 1 {
		t.Fatalf("the sum is %d, want 1", n)
	}
	for exists(path) { // it is removed in the background
		time.Sleep(time.Millisecond)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	status, err := Status(t.Context(), dsn(path, o))
	if err != nil || status.File == "" || len(status.Notes) > 0 {
		t.Fatalf("%+v, %v", status, err)
	}
	return path, o, status.File
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// dsn is a data source name with the lock of o.
func dsn(path string, o Options) string { return "file:" + path + "?lock=" + o.Lock }

// A database that was taken over is found by its plain name, wherever that is used.
func TestPlainNameAfterATakeover(t *testing.T) {
	path, o, file := takenOver(t)
	dir := filepath.Dir(path)
	if err := errors.Join(os.Symlink("app.db", filepath.Join(dir, "link.db")), os.Mkdir(filepath.Join(dir, "sub"), 0o777)); err != nil {
		t.Fatal(err)
	}
	ro, unfenced := o, o
	ro.Params, unfenced.Params = url.Values{"mode": {"ro"}}, url.Values{"fence": {"off"}}
	for name, opened := range map[string]struct {
		name string
		o    Options
	}{
		"plain":     {path, o},
		"dots":      {filepath.Join(dir, "sub") + "/../app.db", o},
		"link":      {filepath.Join(dir, "link.db"), o},
		"rw":        {"file:" + path + "?mode=rw", o},
		"read-only": {path, ro},
		"no fence":  {path, unfenced},
	} {
		t.Run(name, func(t *testing.T) {
			db := open(t, opened.name, opened.o)
			if n := query[int](t, db, `SELECT sum(x) FROM t`); n != 1 {
				t.Errorf("the sum is %d, want 1", n)
			}
			status, err := Status(t.Context(), dsn(opened.name[strings.Index(opened.name, "/"):], o)) // without parameters of its own
			if name == "rw" {
				status, err = Status(t.Context(), dsn(path, o))
			}
			if err != nil || status.File != file {
				t.Errorf("status: %+v, %v", status, err)
			}
			_, err = db.Exec(`INSERT INTO t VALUES (0)`)
			if readOnly := errors.Is(err, sqlite3.READONLY); readOnly != (name == "read-only") || err != nil && !readOnly {
				t.Errorf("writing: %v", err)
			}
		})
	}
	t.Run("attached", func(t *testing.T) {
		db := openAt(t, ":memory:", Options{Params: url.Values{"vfs": {"holdfast"}}})
		exec(t, db, `ATTACH 'file:`+path+`?vfs=holdfast&lock=cell' AS a`)
		if n := query[int](t, db, `SELECT sum(x) FROM a.t`); n != 1 {
			t.Errorf("the sum is %d, want 1", n)
		}
	})
	t.Run("copied", func(t *testing.T) {
		db := openAt(t, path, o)
		into, backup := filepath.Join(dir, "into.db"), filepath.Join(dir, "backup.db")
		exec(t, db, `VACUUM INTO '`+into+`'`)
		c, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		err = c.Raw(func(raw any) error { return raw.(*conn).Raw().Backup("main", "file:"+backup+"?vfs=holdfast") })
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{into, backup} {
			if n := query[int](t, open(t, name, Options{}), `SELECT sum(x) FROM t`); n != 1 {
				t.Errorf("%s: the sum is %d, want 1", name, n)
			}
		}
	})
	t.Run("restored", func(t *testing.T) {
		c := openRaw(t, dsn(path, o)+"&vfs=holdfast")
		if err := c.Restore("main", "file:"+filepath.Join(dir, "backup.db")+"?vfs=holdfast&mode=ro"); err != nil {
			t.Fatal(err)
		}
	})
	if exists(path) {
		t.Error("something made a file of the plain name")
	}
}

func openRaw(t *testing.T, name string) *sqlite3.Conn {
	t.Helper()
	c, err := sqlite3.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// Whatever is missing or wrong, a database that was there is never begun anew, nor is
// an old file taken for it: one line says what to do, and nothing is changed.
func TestNeverAnEmptyDatabase(t *testing.T) {
	remove := func(names ...string) func(dir, file string) error {
		return func(dir, file string) error {
			for _, name := range names {
				if name == "FILE" {
					name = file
				}
				if name == "REGISTER" {
					cells.Delete(filepath.Join(dir, "app.db"))
					continue
				}
				if err := os.Remove(filepath.Join(dir, name)); err != nil {
					return err
				}
			}
			return nil
		}
	}
	plant := func(name string) func(dir, file string) error {
		return func(dir, _ string) error { return os.WriteFile(filepath.Join(dir, name), nil, 0o666) }
	}
	for _, test := range []struct {
		name  string
		spoil func(dir, file string) error
		query string
		want  string
	}{
		{"auto", nil, "", "it is used with lock="},
		{"auto, without its marker", remove("app.db.holdfast"), "", "used with a lease"},
		{"flock", nil, "lock=flock", "other processes use it with lock="},
		{"flock beside a plain file", plant("app.db"), "lock=flock", "other processes use it with lock="},
		{"flock without a marker", remove("app.db.holdfast"), "lock=flock", "used with a lease"},
		{"immutable", nil, "lock=cell&immutable=1", "immutable"},
		{"nolock", nil, "lock=cell&mode=ro&nolock=1", "nolock"},
		{"register gone", remove("REGISTER"), "lock=cell", "holdfast adopt"},
		{"register gone beside a plain file", func(dir, file string) error {
			return errors.Join(plant("app.db")(dir, file), remove("REGISTER")(dir, file))
		}, "lock=cell", "holdfast adopt"},
		{"register and marker gone", remove("REGISTER", "app.db.holdfast"), "lock=cell", "holdfast adopt"},
		{"register gone, and all files", remove("REGISTER", "FILE"), "lock=cell", "holdfast adopt"},
		{"file gone", remove("FILE"), "lock=cell", "holdfast adopt"},
		{"file gone beside a plain one", func(dir, file string) error {
			return errors.Join(plant("app.db")(dir, file), remove("FILE")(dir, file))
		}, "lock=cell", "holdfast adopt"},
		{"file gone, read-only", remove("FILE"), "lock=cell&mode=ro", "holdfast adopt"},
		{"the copy itself", nil, "COPY", "it is a file of the database"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path, _, file := takenOver(t)
			dir := filepath.Dir(path)
			if test.spoil != nil {
				if err := test.spoil(dir, file); err != nil {
					t.Fatal(err)
				}
			}
			name := "file:" + path + "?" + test.query
			if test.query == "COPY" {
				name = filepath.Join(dir, file)
			}
			before := list(t, dir)
			for range 2 {
				db, err := Open(name, Options{})
				if err != nil {
					t.Fatal(err)
				}
				_, err = db.Exec(`CREATE TABLE new (x)`)
				if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
					t.Errorf("error is %v, want one line with %q", err, test.want)
				}
				if err := db.Close(); err != nil {
					t.Error(err)
				}
			}
			if diff := cmp.Diff(before, list(t, dir)); diff != "" {
				t.Errorf("files (-before +after):\n%s", diff)
			}
		})
	}
}

// A plain file that somebody puts beside the database is not what is read, and status
// says so.
func TestPlainFileThatIsNotTheDatabase(t *testing.T) {
	path, o, _ := takenOver(t)
	if err := os.WriteFile(path, []byte("SQLite format 3\x00 and so on"), 0o666); err != nil {
		t.Fatal(err)
	}
	status, err := Status(t.Context(), dsn(path, o))
	if err != nil || len(status.Notes) != 1 || !strings.Contains(status.Notes[0], "app.db is there as well, but is not the database") {
		t.Errorf("%+v, %v", status, err)
	}
	if n := query[int](t, open(t, path, o), `SELECT sum(x) FROM t`); n != 1 {
		t.Errorf("the sum is %d, want 1", n)
	}
}
