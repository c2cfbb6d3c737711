package holdfast

import (
	"cmp"
	"database/sql"
	"errors"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/spf13/afero"
)

// privates are the spellings of a database that belongs to its connection alone.
var privates = []string{"", ":memory:", "file::memory:?cache=private", "file:x.db?mode=memory"}

// Whatever a pool's own database is, what is attached in it keeps to its lock.
func TestAttachFromAPrivateDatabase(t *testing.T) {
	for _, name := range privates {
		t.Run(cmp.Or(name, "temporary"), func(t *testing.T) {
			path, o := lease(t, "_pragma", "busy_timeout(100)")
			holder := open(t, path, o)
			exec(t, holder, `CREATE TABLE t (x)`)
			db := open(t, name, Options{Params: o.pragmas()})
			db.SetMaxOpenConns(1)
			exec(t, db, `ATTACH ? AS a`, path)
			tx, err := holder.BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelLinearizable})
			if err != nil {
				t.Fatal(err)
			}
			defer tx.Rollback()
			exec(t, tx, `INSERT INTO t VALUES (1)`)
			var held *HeldError
			if _, err := db.Exec(`INSERT INTO a.t VALUES (2)`); !errors.Is(err, sqlite3.BUSY) || !errors.As(err, &held) {
				t.Errorf("beside a holder of EXCLUSIVE: %v", err)
			}
			if err := tx.Commit(); err != nil {
				t.Fatal(err)
			}
			exec(t, db, `INSERT INTO a.t VALUES (2)`)
			if n := query[int](t, holder, `SELECT sum(x) FROM t`); n != 3 {
				t.Errorf("the sum is %d, want 3", n)
			}
		})
	}
}

// pragmas are the parameters that go with a database without a lock.
func (o Options) pragmas() url.Values { return url.Values{"_pragma": o.Params["_pragma"]} }

// A database that is attached beside one in memory is fenced.
func TestLossBesideAPrivateDatabase(t *testing.T) {
	for _, name := range privates {
		t.Run(cmp.Or(name, "temporary"), func(t *testing.T) {
			path, o := lease(t, "_pragma", "busy_timeout(30000)")
			synctest.Test(t, func(t *testing.T) {
				db := open(t, name, Options{Params: o.pragmas(), Init: func(c *sqlite3.Conn) error {
					return c.Exec(`ATTACH 'file:` + path + `?lock=cell' AS a`)
				}})
				exec(t, db, `CREATE TABLE a.t (x)`)
				tx := begin(t, db, `INSERT INTO a.t VALUES (1)`)
				cellOf(path).cut.Store(true)
				time.Sleep(time.Minute)
				if err := tx.Commit(); !errors.Is(err, ErrLost) {
					t.Errorf("commit after the loss: %v", err)
				}
				cellOf(path).cut.Store(false)
				exec(t, db, `INSERT INTO a.t VALUES (2)`)
				if n := query[int](t, db, `SELECT sum(x) FROM a.t`); n != 2 {
					t.Errorf("sum is %d, want 2", n)
				}
			})
		})
	}
}

// SQLite has no journal that names all databases of a transaction if the main one is in
// memory or temporary. Then each commits for itself, and each is asked for.
func TestSeveralBesideAPrivateDatabase(t *testing.T) {
	for _, name := range privates {
		t.Run(cmp.Or(name, "temporary"), func(t *testing.T) {
			path, o := lease(t, "_pragma", "busy_timeout(30000)")
			other := filepath.Join(filepath.Dir(path), "other.db")
			synctest.Test(t, func(t *testing.T) {
				db := open(t, name, Options{Params: o.pragmas(), Init: func(c *sqlite3.Conn) error {
					return c.Exec(`ATTACH 'file:` + path + `?lock=cell' AS a; ATTACH 'file:` + other + `?lock=cell' AS b`)
				}})
				exec(t, db, `CREATE TABLE a.t (x); CREATE TABLE b.t (x)`)
				exec(t, db, `BEGIN; INSERT INTO a.t VALUES (1); INSERT INTO b.t VALUES (1); COMMIT`)
				tx := begin(t, db, `INSERT INTO a.t VALUES (2); INSERT INTO b.t VALUES (2)`)
				cellOf(other).cut.Store(true)
				time.Sleep(time.Minute)
				if err := tx.Commit(); !errors.Is(err, ErrLost) {
					t.Errorf("commit after the loss of one: %v", err)
				}
				cellOf(other).cut.Store(false)
				if n := query[int](t, db, `SELECT sum(x) FROM b.t`); n != 1 {
					t.Errorf("sum is %d, want 1", n)
				}
			})
		})
	}
}

// What a pool with a file system of its own attaches lies there, whatever its own
// database is.
func TestAttachFromAPrivateDatabaseElsewhere(t *testing.T) {
	path, o := lease(t)
	dir := filepath.Dir(path)
	db := open(t, ":memory:", Options{FS: afero.NewBasePathFs(afero.NewOsFs(), dir)})
	db.SetMaxOpenConns(1)
	exec(t, db, `ATTACH 'file:/app.db?lock=`+o.Lock+`' AS a; CREATE TABLE a.t (x)`)
	if !exists(path) {
		t.Errorf("%s is not there", path)
	}
	if _, err := db.Exec(`ATTACH '/other.db' AS b`); !errors.Is(err, sqlite3.CANTOPEN) {
		t.Errorf("without a lock: %v", err)
	}
}

// What is private to a connection needs nothing but memory and temporary files.
func TestPrivateDatabaseThatSpills(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range privates {
		t.Run(cmp.Or(name, "temporary"), func(t *testing.T) {
			db := open(t, name, Options{Params: url.Values{"_pragma": {"cache_size(10)", "temp_store(file)"}}})
			db.SetMaxOpenConns(1)
			exec(t, db, `CREATE TEMP TABLE spilt AS WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i+1 FROM n WHERE i < 2000)
				SELECT i, randomblob(500) AS body FROM n;
				CREATE TABLE t AS SELECT * FROM spilt ORDER BY body;
				CREATE INDEX t_body ON t (body);
				VACUUM`)
			if n := query[int](t, db, `SELECT count(DISTINCT body) FROM t`); n != 2000 {
				t.Errorf("%d rows, want 2000", n)
			}
			if ok := query[string](t, db, `PRAGMA integrity_check`); ok != "ok" {
				t.Error(ok)
			}
			if files := list(t, "."); len(files) > 0 {
				t.Errorf("files were created: %v", files)
			}
		})
	}
}

// What SQLite and the VFS could take for opposite things never leads to a file without
// its lock.
func TestAttachWithoutALockIsRefused(t *testing.T) {
	path, o := lease(t)
	db := open(t, path, o)
	db.SetMaxOpenConns(1)
	exec(t, db, `CREATE TABLE t (x)`)
	for query, want := range map[string]string{
		"nolock=1":   "nolock=1 would write without any lock",
		"nolock=1x":  "nolock=1x: write 0 or 1",
		"nolock=0x1": "nolock=0x1: write 0 or 1",
		"nolock=256": "nolock=256: write 0 or 1",
		"nolock=%31": "nolock=1 would write without any lock",
	} {
		_, err := db.Exec(`ATTACH 'file:` + path + `?` + query + `' AS a`)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", query, err, want)
		}
	}
}
