package holdfast

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ncruces/go-sqlite3"

	"github.com/holdfastdb/holdfast/locking"
)

// evict has everybody who is in the record of a database expire, by another process
// that then leaves: whoever was in does not hear of it before it asks.
func evict(t testing.TB, path string) {
	t.Helper()
	register := cellOf(path).Register
	ctx := context.Background()
	for {
		value, version, err := register.Read(ctx)
		if err != nil {
			t.Fatal(err)
		}
		r, err := locking.DecodeRecord(value)
		if err != nil {
			t.Fatal(err)
		}
		req := locking.Request{Holder: locking.Holder{ID: "evictor"}, Fence: &locking.Fencing{Database: filepath.Base(path)}}
		for _, e := range r.Entries {
			req.Expired = append(req.Expired, e.Holder.ID)
		}
		next, _ := r.Step(req)
		if value, err = next.Encode(); err != nil {
			t.Fatal(err)
		}
		_, err = register.CompareAndSwap(ctx, version, value)
		if err == nil {
			return
		}
		if !errors.Is(err, locking.ErrConflict) {
			t.Fatal(err)
		}
	}
}

// evictAtCommit evicts the process at the last moment at which it can be: when its
// transaction is complete in the file, and it asks the register whether it may say so.
func evictAtCommit(t testing.TB, path string) (done func() bool) {
	before, begun := size(path+"-wal"), false
	return cellOf(path).onRead(func() bool {
		found, err := common.vfs.Candidates(path)
		hot := err != nil || len(found) != 1 || found[0].Journal
		begun = begun || hot || size(path+"-wal") > before
		if !begun || hot {
			return false
		}
		evict(t, path)
		return true
	})
}

// size returns the size of a file, or 0.
func size(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// commits are the ways to commit a row.
var commits = map[string]func(ctx context.Context, c *sql.Conn) error{
	"exec": func(ctx context.Context, c *sql.Conn) error {
		return second(c.ExecContext(ctx, `INSERT INTO t VALUES (2)`))
	},
	"exec with arguments": func(ctx context.Context, c *sql.Conn) error {
		return second(c.ExecContext(ctx, `INSERT INTO t VALUES (?)`, 2))
	},
	"COMMIT": func(ctx context.Context, c *sql.Conn) error {
		return second(c.ExecContext(ctx, `BEGIN; INSERT INTO t VALUES (2); COMMIT`))
	},
	"savepoint": func(ctx context.Context, c *sql.Conn) error {
		return second(c.ExecContext(ctx, `SAVEPOINT s; INSERT INTO t VALUES (2); RELEASE s`))
	},
	"Tx.Commit": func(ctx context.Context, c *sql.Conn) error {
		tx, err := c.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO t VALUES (2)`); err != nil {
			return errors.Join(errors.New("too early"), err)
		}
		return tx.Commit()
	},
	"QueryRow": func(ctx context.Context, c *sql.Conn) error {
		var x int
		return c.QueryRowContext(ctx, `INSERT INTO t VALUES (2) RETURNING x`).Scan(&x)
	},
	"Rows.Err": func(ctx context.Context, c *sql.Conn) error {
		rows, err := c.QueryContext(ctx, `INSERT INTO t VALUES (2) RETURNING x`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
		}
		return rows.Err()
	},
}

// A commit that cannot be verified is an error whatever it was made by, which says
// that nobody here knows what became of it. A new connection does: and the pool opens
// that by itself.
func TestCommitThatIsRefused(t *testing.T) {
	for _, mode := range []string{"delete", "truncate", "persist", "wal"} {
		for name, commit := range commits {
			t.Run(mode+" "+name, func(t *testing.T) {
				path, o := lease(t, "_pragma", "busy_timeout(30000)", "_pragma", "journal_mode("+mode+")")
				o.Params.Set("poll", "5s")
				db := open(t, path, o)
				db.SetMaxOpenConns(1)
				exec(t, db, `CREATE TABLE t (x); INSERT INTO t VALUES (1)`)
				c, err := db.Conn(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				done := evictAtCommit(t, path)
				err = commit(t.Context(), c)
				if !done() {
					t.Fatal("it was never asked for leave")
				}
				if !errors.Is(err, ErrLost) || !errors.Is(err, sqlite3.IOERR) || errors.Is(err, ErrHeld) {
					t.Errorf("the commit: %v, want %v", err, ErrLost)
				}
				for _, want := range []string{"outcome", "unknown", "new connection"} {
					if !strings.Contains(message(err), want) {
						t.Errorf("%q is not in the error: %v", want, err)
					}
				}
				if _, err := c.ExecContext(t.Context(), `SELECT 1 FROM t`); !errors.Is(err, ErrLost) {
					t.Errorf("the connection afterwards: %v, want %v", err, ErrLost)
				}
				if err := c.Close(); err != nil {
					t.Error(err)
				}
				if n := query[int](t, db, `SELECT sum(x) FROM t`); n != 3 {
					t.Errorf("the sum is %d on a new connection, want 3: the transaction was complete", n)
				}
				status, err := Status(t.Context(), path)
				if err != nil || status.File == "" {
					t.Errorf("%+v, %v: it was not taken over", status, err)
				}
				if _, err := os.Stat(filepath.Join(filepath.Dir(path), status.File)); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// reads are the ways to read what is in t.
var reads = map[string]func(ctx context.Context, c *sql.Conn) error{
	"rows to the end": func(ctx context.Context, c *sql.Conn) error {
		rows, err := c.QueryContext(ctx, `SELECT x FROM t`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
		}
		return rows.Err()
	},
	"rows closed early": func(ctx context.Context, c *sql.Conn) error {
		rows, err := c.QueryContext(ctx, `SELECT x FROM t`)
		if err != nil {
			return err
		}
		rows.Next()
		return errors.Join(rows.Err(), rows.Close())
	},
	"QueryRow": func(ctx context.Context, c *sql.Conn) error {
		var x int
		return c.QueryRowContext(ctx, `SELECT x FROM t`).Scan(&x)
	},
	"exec": func(ctx context.Context, c *sql.Conn) error {
		return second(c.ExecContext(ctx, `SELECT x FROM t`))
	},
	"exec with arguments": func(ctx context.Context, c *sql.Conn) error {
		return second(c.ExecContext(ctx, `SELECT x FROM t WHERE x < ?`, 3))
	},
	"COMMIT": func(ctx context.Context, c *sql.Conn) error {
		return second(c.ExecContext(ctx, `BEGIN; SELECT x FROM t; COMMIT`))
	},
	"Tx.Commit":   func(ctx context.Context, c *sql.Conn) error { return readInTx(ctx, c, false, (*sql.Tx).Commit) },
	"Tx.Rollback": func(ctx context.Context, c *sql.Conn) error { return readInTx(ctx, c, false, (*sql.Tx).Rollback) },
	"read-only":   func(ctx context.Context, c *sql.Conn) error { return readInTx(ctx, c, true, (*sql.Tx).Commit) },
}

func readInTx(ctx context.Context, c *sql.Conn, readOnly bool, end func(*sql.Tx) error) error {
	tx, err := c.BeginTx(ctx, &sql.TxOptions{ReadOnly: readOnly})
	if err != nil {
		return err
	}
	defer tx.Rollback() // or its connection could not be closed
	var x int
	if err := tx.QueryRowContext(ctx, `SELECT x FROM t`).Scan(&x); err != nil {
		return errors.Join(errors.New("too early"), err)
	}
	return end(tx)
}

// With verify=read, a reader that was evicted while it read is told when its
// transaction ends, whatever it read by. Without, it does not ask.
func TestReadThatIsRefused(t *testing.T) {
	kept := map[string]string{"WAL": "journal_mode(wal)", "exclusive": "locking_mode(exclusive)"} // the level, between transactions
	for _, verify := range []string{"read", "commit", "attached", "WAL", "exclusive"} {
		for name, read := range reads {
			t.Run(verify+" "+name, func(t *testing.T) {
				path, o := lease(t, "_pragma", "busy_timeout(30000)", "verify", verify)
				if pragma := kept[verify]; pragma != "" {
					o.Params.Add("_pragma", pragma)
					o.Params.Set("verify", "read")
				}
				o.Params.Set("poll", "5s")
				if verify == "attached" {
					o.Params.Del("verify")
					other, main := path, filepath.Join(filepath.Dir(path), "main.db")
					o.Init = func(c *sqlite3.Conn) error {
						return c.Exec(`ATTACH 'file:` + other + `?lock=cell&verify=read&poll=5s' AS other`)
					}
					db := openAt(t, main, o)
					exec(t, db, `CREATE TABLE other.t (x)`)
					testRead(t, db, path, read, true)
					return
				}
				db := openAt(t, path, o)
				exec(t, db, `CREATE TABLE t (x)`)
				testRead(t, db, path, read, verify != "commit")
			})
		}
	}
}

func openAt(t *testing.T, path string, o Options) *sql.DB {
	db := open(t, path, o)
	db.SetMaxOpenConns(1)
	return db
}

func testRead(t *testing.T, db *sql.DB, path string, read func(context.Context, *sql.Conn) error, refused bool) {
	exec(t, db, `INSERT INTO t VALUES (1), (2)`)
	c, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	done := cellOf(path).onRead(func() bool { evict(t, path); return true })
	err = read(t.Context(), c)
	if refused != done() || refused != errors.Is(err, ErrLost) || refused != errors.Is(err, sqlite3.IOERR) || !refused && err != nil {
		t.Errorf("asked %v, error %v; want %v and %v", done(), err, refused, refused)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if n := query[int](t, db, `SELECT sum(x) FROM t`); n != 3 {
		t.Errorf("the sum is %d on a new connection, want 3", n)
	}
}

// A transaction that writes to several databases would need a journal that names all
// of them: none is left with a half of it.
func TestWriteToSeveralDatabases(t *testing.T) {
	path, o := lease(t)
	other := filepath.Join(filepath.Dir(path), "other.db")
	o.Init = func(c *sqlite3.Conn) error {
		return c.Exec(`ATTACH 'file:` + other + `?lock=cell' AS other`)
	}
	db := openAt(t, path, o)
	exec(t, db, `CREATE TABLE t (x); CREATE TABLE other.u (x)`)
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	exec(t, tx, `INSERT INTO t VALUES (1); INSERT INTO u VALUES (1)`)
	err = tx.Commit()
	if err == nil || errors.Is(err, ErrLost) || !strings.Contains(err.Error(), "several") || strings.Contains(err.Error(), "\n") {
		t.Errorf("commit: %v, want one line that says why", err)
	}
	if n := query[int](t, db, `SELECT (SELECT count(*) FROM t) + (SELECT count(*) FROM u)`); n != 0 {
		t.Errorf("%d rows of it are there", n)
	}
	exec(t, db, `INSERT INTO t VALUES (1)`)
	exec(t, db, `INSERT INTO u SELECT x FROM t`)
}

// All who have a database open agree on the fence.
func TestFenceOnAndOff(t *testing.T) {
	path, o := lease(t)
	db := open(t, path, o)
	exec(t, db, `CREATE TABLE t (x)`)
	begin(t, db, `INSERT INTO t VALUES (1)`)
	o.Params.Set("fence", "off")
	_, err := elsewhere(t, path, o).Exec(`SELECT * FROM t`)
	if err == nil || !strings.Contains(err.Error(), "fence=on") {
		t.Errorf("with fence=off beside one with fence=on: %v", err)
	}
	if _, err := open(t, path, o).Exec(`SELECT 1`); err == nil || !strings.Contains(err.Error(), "open already with") {
		t.Errorf("the same in one process: %v", err)
	}
}
