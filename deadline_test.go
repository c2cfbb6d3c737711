package holdfast

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ncruces/go-sqlite3"
)

// However a statement comes to wait for a lock, the end of its context ends it.
func TestDeadlineEndsTheWaitForALock(t *testing.T) {
	t.Parallel()
	waits := []struct {
		name string
		held string // how the holder began its transaction
		act  func(ctx context.Context, db *sql.DB) error
	}{
		{"exec", "IMMEDIATE", func(ctx context.Context, db *sql.DB) error {
			_, err := db.ExecContext(ctx, `INSERT INTO t VALUES (2)`)
			return err
		}},
		{"exec with arguments", "IMMEDIATE", func(ctx context.Context, db *sql.DB) error {
			_, err := db.ExecContext(ctx, `INSERT INTO t VALUES (?)`, 2)
			return err
		}},
		{"prepared", "IMMEDIATE", func(ctx context.Context, db *sql.DB) error {
			s, err := db.Prepare(`INSERT INTO t VALUES (?)`)
			if err != nil {
				return err
			}
			defer s.Close()
			_, err = s.ExecContext(ctx, 2)
			return err
		}},
		{"begin", "IMMEDIATE", func(ctx context.Context, db *sql.DB) error {
			tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelSerializable})
			if err == nil {
				tx.Rollback()
			}
			return err
		}},
		{"returning", "IMMEDIATE", func(ctx context.Context, db *sql.DB) error {
			return db.QueryRowContext(ctx, `INSERT INTO t VALUES (2) RETURNING x`).Scan(new(int))
		}},
		{"query", "EXCLUSIVE", func(ctx context.Context, db *sql.DB) error {
			return db.QueryRowContext(ctx, `SELECT count(*) FROM t`).Scan(new(int))
		}},
		{"commit", "DEFERRED", func(ctx context.Context, db *sql.DB) error {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			if _, err := tx.Exec(`INSERT INTO t VALUES (2)`); err != nil {
				return errors.Join(err, tx.Rollback())
			}
			return tx.Commit()
		}},
	}
	for _, tt := range waits {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // time passes while it waits, and only then
				path, o := lease(t, "_pragma", "busy_timeout(60000)")
				holder, db := elsewhere(t, path, o), elsewhere(t, path, o)
				exec(t, holder, `CREATE TABLE t (x)`)
				query[int](t, db, `SELECT count(*) FROM t`)
				c, err := holder.Conn(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				exec(t, c, `BEGIN `+tt.held)
				query[int](t, c, `SELECT count(*) FROM t`)

				const limit = 300 * time.Millisecond
				start := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				defer cancel()
				err = tt.act(ctx, db)
				if late := time.Since(start) - limit; late < 0 || late > 100*time.Millisecond {
					t.Errorf("returned %v after the deadline", late)
				}
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%v is not context.DeadlineExceeded", err)
				}
				var held *HeldError
				if !errors.As(err, &held) {
					t.Errorf("%v does not name who was in the way", err)
				}
				exec(t, c, `ROLLBACK`)
				if n := query[int](t, c, `SELECT count(*) FROM t`); n != 0 {
					t.Errorf("%d of the statements that ended with an error took effect", n)
				}
			})
		})
	}
}

func TestCancelInTheMiddleOfAQuery(t *testing.T) {
	t.Parallel()
	path, o := lease(t)
	cause := errors.New("the user closed the window")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	o.Init = func(c *sqlite3.Conn) error {
		return c.CreateFunction("begun", 0, 0, func(sqlite3.Context, ...sqlite3.Value) { cancel(cause) })
	}
	db := open(t, path, o)
	_, err := db.ExecContext(ctx, `WITH RECURSIVE n(i) AS (SELECT begun() UNION ALL SELECT i+1 FROM n) SELECT count(*) FROM n`)
	if !errors.Is(err, context.Canceled) || !errors.Is(err, cause) || !errors.Is(err, sqlite3.INTERRUPT) {
		t.Errorf("%v", err)
	}
	exec(t, db, `CREATE TABLE t (x)`)
}
