package vfs

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/holdfastdb/holdfast/locking"
	"github.com/ncruces/go-sqlite3"
)

// A deadline that ends a wait between two questions names who was in the way of the
// first one, and nobody whom another statement had to wait for.
func TestDeadlineBetweenTwoQuestions(t *testing.T) {
	conn := connect(t, register(t, nil, registers{}.fenced), filepath.Join(scratch(t), "app.db"), "")
	f := FileOf(conn, "main")
	ctx, cancel := context.WithCancel(t.Context())
	conn.SetInterrupt(ctx)
	f.refuse(&locking.HeldError{Holder: locking.Holder{ID: "x"}, Level: locking.Reserved, Wanted: locking.Reserved}, sqlite3.IOERR_LOCK)
	cancel()
	err := f.take(locking.Shared, nil)
	if held, ok := errors.AsType[*locking.HeldError](err); !errors.Is(err, context.Canceled) || !ok || held.Holder.ID != "x" {
		t.Errorf("%v does not name who was in the way", err)
	}
	next, cancel := context.WithCancel(t.Context())
	cancel()
	conn.SetInterrupt(next)
	err = f.take(locking.Shared, nil)
	if _, ok := errors.AsType[*locking.HeldError](err); !errors.Is(err, context.Canceled) || ok {
		t.Errorf("%v names whom another statement waited for", err)
	}
}
