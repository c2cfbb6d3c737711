package holdfast

import (
	"database/sql"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ncruces/go-sqlite3"
	sqlitevfs "github.com/ncruces/go-sqlite3/vfs"
	"github.com/spf13/afero"

	"github.com/holdfastdb/holdfast/locking"
	"github.com/holdfastdb/holdfast/vfs"
)

// locks returns the URL of the lock of each database of a connection, by schema.
func locks(t *testing.T, c *sqlite3.Conn) map[string]string {
	t.Helper()
	urls := map[string]string{}
	for n := 0; c.DBName(n) != ""; n++ {
		f := vfs.FileOf(c, c.DBName(n))
		if f == nil {
			continue
		}
		status, err := f.Locker().Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		scheme, _, _ := strings.Cut(status.Lock, ":")
		urls[c.DBName(n)] = scheme
	}
	return urls
}

// The lock is chosen in the VFS, so it does not matter who opens the database.
func TestAttachedAndRawConnectionsHaveLocks(t *testing.T) {
	t.Chdir(t.TempDir())
	raw, err := sqlite3.Open("file:main.db?vfs=holdfast&lock=leasefile&ttl=5s")
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	err = raw.Exec(`
		ATTACH 'plain.db' AS plain;
		ATTACH 'file:leased.db?lock=leasefile' AS leased;
		ATTACH 'file:memory.db?mode=memory' AS memory;
		ATTACH '' AS temporary;
		CREATE TABLE t (x); CREATE TABLE plain.t (x); CREATE TABLE leased.t (x); CREATE TABLE memory.t (x); CREATE TABLE temporary.t (x);
		BEGIN; INSERT INTO t VALUES (1); INSERT INTO memory.t VALUES (1); COMMIT; INSERT INTO plain.t VALUES (1); INSERT INTO leased.t VALUES (1)`)
	if err != nil {
		t.Fatal(err)
	}
	got := locks(t, raw)
	if got["main"] != "leasefile" || got["plain"] != "flock" || got["leased"] != "leasefile" || len(got) != 3 {
		t.Errorf("locks are %v", got)
	}
	if err := raw.Exec(`ATTACH 'file:x.db?lokc=flock' AS bad`); err == nil || !strings.Contains(err.Error(), "did you mean lock?") {
		t.Errorf("attach with a misspelt parameter: %v", err)
	}
	if err := raw.Exec(`ATTACH 'file:leased.db?ttl=7s' AS bad`); err == nil || !strings.Contains(err.Error(), "open already with") {
		t.Errorf("attach with another ttl: %v", err)
	}
	if err := raw.Backup("main", "file:copy.db?vfs=holdfast&lock=leasefile"); err != nil {
		t.Error(err)
	}
	want := []string{"copy.db", "copy.db.holdfast", "copy.db.lease", "leased.db", "leased.db-journal", "leased.db.holdfast", "leased.db.lease",
		"main.db", "main.db-journal", "main.db.holdfast", "main.db.lease", "plain.db"}
	if files := list(t, "."); strings.Join(files, " ") != strings.Join(want, " ") {
		t.Errorf("files are %v, want %v", files, want)
	}
}

// Another file system is a VFS of its own, for as long as a connection needs it.
func TestPrivateFileSystem(t *testing.T) {
	fs := afero.NewMemMapFs()
	if err := fs.MkdirAll("/data", 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := Open("/data/app.db", Options{FS: fs}); err == nil || !strings.Contains(err.Error(), "set Options.Lock") {
		t.Errorf("without a lock: %v", err)
	}
	db, err := Open("/data/app.db", Options{FS: fs, Lock: "cell", Params: url.Values{"mode": {"rwc"}}})
	if err != nil {
		t.Fatal(err)
	}
	exec(t, db, `CREATE TABLE t (x)`)
	if ok, err := afero.Exists(fs, "/data/app.db"); err != nil || !ok {
		t.Errorf("the file is not there: %v", err)
	}
	if _, err := os.Stat("/data/app.db"); err == nil {
		t.Error("the file is on the disk")
	}

	rows, err := db.Query(`SELECT vfs FROM (SELECT 1 AS vfs UNION SELECT 2)`)
	if err != nil {
		t.Fatal(err)
	}
	name := ""
	c, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.Raw(func(raw any) error {
		name = raw.(*conn).world.name
		return nil
	})
	c.Close()
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	// One connection is still in use: it needs the VFS to be found.
	if sqlitevfs.Find(name) == nil {
		t.Error("the VFS is gone while a query runs")
	}
	for rows.Next() {
	}
	rows.Close()
	if sqlitevfs.Find(name) != nil {
		t.Error("the VFS stays after the last connection")
	}
	if sqlitevfs.Find(driverName) == nil {
		t.Error("the common VFS is gone")
	}
}

func TestStatus(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	tests := []struct{ name, dsn, want string }{
		{"no such file", "file:none.db?lock=leasefile", `holdfast: status of "file:none.db?lock=leasefile": there is no such database`},
		{"directory", ".", `holdfast: status of ".": it is not a file`},
		{"in memory", ":memory:", `holdfast: status of ":memory:": a database in memory or a temporary one has no lock`},
		{"unknown parameter", "file:x?tll=5s", `holdfast: status of "file:x?tll=5s": unknown parameter "tll": did you mean ttl?`},
		{"host", "file://x/y", `holdfast: status of "file://x/y": "x" is taken for a host name; write file:x/y for a relative path, file:///x/y for an absolute one`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := Status(t.Context(), tt.dsn); message(err) != tt.want {
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
	if files := list(t, dir); len(files) > 0 {
		t.Errorf("created %v", files)
	}

	exec(t, open(t, "app.db", Options{}), `CREATE TABLE t (x)`)
	status, err := Status(t.Context(), "file:app.db?lock=leasefile&ttl=5s")
	if err != nil || status.Grade != locking.GradeKernel { // that of the one that is open
		t.Errorf("%+v, %v", status, err)
	}
}

// Who only looks at a database that is closed leaves no trace, and whoever has it
// open is named.
func TestStatusOfALease(t *testing.T) {
	t.Chdir(t.TempDir())
	const dsn = "file:app.db?lock=leasefile&ttl=5s"
	if err := os.WriteFile("app.db", nil, 0o666); err != nil {
		t.Fatal(err)
	}
	status, err := Status(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	if len(status.Holders) > 0 || len(status.Waiters) > 0 || status.Grade != locking.GradeFenced {
		t.Errorf("never opened: %+v", status)
	}
	if files := list(t, "."); len(files) != 1 {
		t.Errorf("files are %v", files)
	}
	db := elsewhere(t, dsn, Options{})
	exec(t, db, `CREATE TABLE t (x)`)
	begin(t, db, `INSERT INTO t VALUES (1)`)
	open(t, dsn, Options{}).Ping()
	for _, who := range []string{"nobody here has it open", "open here"} {
		status, err := Status(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		if len(status.Holders) == 0 || !status.Holders[0].Level.Writing() || status.Holders[0].Holder.PID != os.Getpid() {
			t.Errorf("%s: %+v", who, status)
		}
		exec(t, open(t, dsn, Options{}), `SELECT count(*) FROM sqlite_schema`)
	}
}

// Others read beside a writer until it commits, from another process too.
func TestReadersBesideAWriter(t *testing.T) {
	t.Parallel()
	for _, lock := range []string{"flock", "leasefile"} {
		t.Run(lock, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "app.db")
			o := Options{Lock: lock, Params: url.Values{"_pragma": {"busy_timeout(30000)"}}}
			writer, reader := elsewhere(t, path, o), elsewhere(t, path, o)
			exec(t, writer, `CREATE TABLE t (x)`)
			tx := begin(t, writer, `INSERT INTO t VALUES (1)`)
			for range 2 {
				if n := query[int](t, reader, `SELECT count(*) FROM t`); n != 0 {
					t.Errorf("%d rows before the commit", n)
				}
			}
			if err := tx.Commit(); err != nil {
				t.Fatal(err)
			}
			if n := query[int](t, reader, `SELECT count(*) FROM t`); n != 1 {
				t.Errorf("%d rows after the commit", n)
			}
		})
	}
}

// Many goroutines in two processes, on each kind of lock: nothing is lost, and
// nobody gives up.
func TestPools(t *testing.T) {
	t.Parallel()
	const processes, workers, rounds = 2, 6, 25
	for _, lock := range []string{"flock", "leasefile"} {
		t.Run(lock, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "app.db")
			o := Options{Lock: lock, Params: url.Values{"_pragma": {"busy_timeout(60000)", "synchronous(off)"}, "_txlock": {"immediate"}}}
			exec(t, open(t, path, o), `CREATE TABLE t (x INTEGER)`)
			var acknowledged atomic.Int64
			several(t, processes, func() error {
				db := elsewhere(t, path, o)
				db.SetMaxOpenConns(4)
				several(t, workers, func() error {
					for range rounds {
						if err := append1(db); err != nil {
							return err
						}
						acknowledged.Add(1)
						var n int
						if err := db.QueryRow(`SELECT count(*) FROM t`).Scan(&n); err != nil {
							return err
						}
					}
					return nil
				})
				return nil
			})
			db := open(t, path, o)
			if n := query[int64](t, db, `SELECT count(DISTINCT x) FROM t`); n != acknowledged.Load() || n != processes*workers*rounds {
				t.Errorf("%d rows, %d acknowledged, want %d", n, acknowledged.Load(), processes*workers*rounds)
			}
			if ok := query[string](t, db, `PRAGMA integrity_check`); ok != "ok" {
				t.Error(ok)
			}
		})
	}
}

// append1 adds one row whose content depends on all others.
func append1(db *sql.DB) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	if _, err := tx.Exec(`INSERT INTO t VALUES ((SELECT count(*) FROM t))`); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}
