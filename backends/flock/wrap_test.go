package flock

import (
	"errors"
	"fmt"
	"testing"

	"github.com/holdfastdb/holdfast/locking"
)

// A connection that lost its lock to somebody else, in between giving up one and taking
// another, is not told to try again.
func TestLocksGoneIsALoss(t *testing.T) {
	k := &lock{locker: &locker{database: "app.db"}}
	err := k.wrap(locking.Exclusive, fmt.Errorf("%w: %w", errLocksGone, errBusy))
	if !errors.Is(err, locking.ErrLost) || errors.Is(err, errBusy) {
		t.Errorf("%v, want ErrLost alone", err)
	}
	if err := k.Check(); !errors.Is(err, locking.ErrLost) {
		t.Errorf("check = %v, want ErrLost", err)
	}
}
