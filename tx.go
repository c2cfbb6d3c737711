package holdfast

import (
	"context"
	"database/sql/driver"
)

// A tx is a transaction. The context that it began with reaches into the wait
// for its COMMIT.
type tx struct {
	driver.Tx
	c        *conn
	ctx      context.Context
	readOnly bool
}

func (t *tx) Commit() error {
	// The commit of a read-only transaction waits for nobody, and go-sqlite3 makes
	// the connection writable again by it: that must not be interrupted.
	if !t.readOnly {
		defer t.c.raw.SetInterrupt(t.c.raw.SetInterrupt(t.ctx))
	}
	return t.end(t.ctx, t.Tx.Commit())
}

func (t *tx) Rollback() error {
	return t.end(context.Background(), t.Tx.Rollback())
}

func (t *tx) end(ctx context.Context, err error) error {
	err = t.c.ended(ctx, err)
	if t.readOnly && t.c.queryOnly {
		// go-sqlite3's driver did not see that the connection was so from the start.
		if e := t.c.raw.Exec(`PRAGMA query_only=on`); err == nil {
			err = e
		}
	}
	return err
}
