package holdfast

import (
	"errors"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ncruces/go-sqlite3"
)

// A process that is cut off loses the database; the pool recovers by itself once
// the register can be reached again.
func TestLossInTheMiddleOfATransaction(t *testing.T) {
	path, o := lease(t, "_pragma", "busy_timeout(30000)")
	synctest.Test(t, func(t *testing.T) {
		db := open(t, path, o)
		db.SetMaxOpenConns(1)
		exec(t, db, `CREATE TABLE t (x)`)
		tx, err := db.Begin()
		if err != nil {
			t.Fatal(err)
		}
		exec(t, tx, `INSERT INTO t VALUES (1)`)

		cellOf(path).cut.Store(true)
		time.Sleep(time.Minute)
		_, err = tx.Exec(`INSERT INTO t VALUES (2)`)
		if err == nil { // it may stay in SQLite's cache
			err = tx.Commit()
		} else {
			tx.Rollback()
		}
		if !errors.Is(err, ErrLost) || !errors.Is(err, sqlite3.IOERR) || errors.Is(err, sqlite3.BUSY) || errors.Is(err, ErrHeld) {
			t.Errorf("after the loss: %v", err)
		}
		cellOf(path).cut.Store(false)

		// No ErrBadConn, no ErrLost: the dead connection has left the pool.
		exec(t, db, `INSERT INTO t VALUES (3)`)
		if n := query[int](t, db, `SELECT sum(x) FROM t`); n != 3 {
			t.Errorf("sum is %d, want 3: the lost transaction left something", n)
		}
	})
}

// The statement that finds the loss is never run twice.
func TestLossOfAnIdleConnection(t *testing.T) {
	for _, mode := range []string{"delete", "wal"} {
		t.Run(mode, func(t *testing.T) {
			path, o := lease(t, "_pragma", "busy_timeout(30000)", "_pragma", "journal_mode("+mode+")")
			synctest.Test(t, func(t *testing.T) {
				db := open(t, path, o)
				exec(t, db, `CREATE TABLE t (x); INSERT INTO t VALUES (1)`)
				s, err := db.Prepare(`INSERT INTO t VALUES (?)`)
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				if _, err := s.Exec(2); err != nil {
					t.Fatal(err)
				}
				cellOf(path).cut.Store(true)
				time.Sleep(time.Minute)
				cellOf(path).cut.Store(false)
				// Prepared for the dead connection, the statement is prepared anew.
				if _, err := s.Exec(3); err != nil {
					t.Error(err)
				}
				if n := query[int](t, db, `SELECT sum(x) FROM t`); n != 6 {
					t.Errorf("sum is %d, want 6", n)
				}
			})
		})
	}
}

// An attached database that is lost makes the connection leave the pool as well.
func TestLossOfAnAttachedDatabase(t *testing.T) {
	path, o := lease(t, "_pragma", "busy_timeout(30000)")
	other := filepath.Join(filepath.Dir(path), "other.db")
	connections := 0
	o.Init = func(c *sqlite3.Conn) error {
		connections++
		return c.Exec(`ATTACH 'file:` + other + `?lock=cell' AS other`)
	}
	synctest.Test(t, func(t *testing.T) {
		db := open(t, path, o)
		exec(t, db, `CREATE TABLE other.t (x)`)
		tx := begin(t, db, `INSERT INTO other.t VALUES (1)`)
		cellOf(other).cut.Store(true)
		time.Sleep(time.Minute)
		if err := tx.Commit(); !errors.Is(err, ErrLost) {
			t.Errorf("commit after the loss: %v", err)
		}
		cellOf(other).cut.Store(false)
		exec(t, db, `INSERT INTO other.t VALUES (2)`)
		if n := query[int](t, db, `SELECT sum(x) FROM other.t`); n != 2 || connections != 2 {
			t.Errorf("sum is %d after %d connections, want 2 after 2", n, connections)
		}
	})
}
