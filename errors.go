package holdfast

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"

	"github.com/ncruces/go-sqlite3"

	"github.com/holdfastdb/holdfast/locking"
	"github.com/holdfastdb/holdfast/vfs"
)

var (
	// ErrHeld is [locking.ErrHeld]: another connection or process is in the way.
	// SQLite's own error, sqlite3.BUSY, is beside it.
	ErrHeld = locking.ErrHeld

	// ErrLost is [locking.ErrLost]: this process lost the database. Whatever the
	// transaction did is undone. If it was a commit that failed so, its outcome is
	// unknown to this process: a new connection shows it. What was read in a transaction
	// that ended so may not have been true. The pool opens another connection by itself.
	ErrLost = locking.ErrLost
)

// A HeldError is the [ErrHeld] that names who is in the way.
type HeldError = locking.HeldError

// explain joins an error of SQLite with what was behind it, which SQLite forgets
// on the way: the holder of the lock, the loss of the lease, the end of ctx.
// [errors.Is] and [errors.As] find both.
func (c *conn) explain(ctx context.Context, err error) error {
	if err == nil || err == io.EOF || err == driver.ErrSkip {
		return err
	}
	return c.because(ctx, err)
}

// ended is [conn.explain] for what may have ended a transaction. SQLite does not ask
// whether its locks were given up in good order: that a database was lost by then, so
// that what was read may not have been true, is known to the VFS alone.
func (c *conn) ended(ctx context.Context, err error) error {
	if err != nil && err != io.EOF {
		return c.explain(ctx, err)
	}
	over := c.raw.GetAutocommit() // the transaction
	for f := range c.files {
		lost := f.Lost()
		if over && lost == nil {
			lost = f.VerifyReads()
		}
		if lost != nil {
			return fmt.Errorf("%w: %w", vfs.CodeLost, lost)
		}
	}
	return err
}

func (c *conn) because(ctx context.Context, err error) error {
	var code sqlite3.ErrorCode
	if !errors.As(err, &code) {
		return err
	}
	if code != sqlite3.INTERRUPT {
		err = vfs.Explain(c.raw, err)
		c.foundBroken(err)
	} else if cause := vfs.Interrupted(c.raw, ctx); cause != nil {
		err = fmt.Errorf("%w: %w", err, cause)
	}
	if code != sqlite3.INTERRUPT && code != sqlite3.BUSY {
		return err
	}
	return andEnd(ctx, err)
}

// andEnd joins err with the end of ctx and the cause of that, if it has ended.
func andEnd(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	for _, why := range []error{ctx.Err(), context.Cause(ctx)} {
		if !errors.Is(err, why) {
			err = fmt.Errorf("%w: %w", err, why)
		}
	}
	return err
}
