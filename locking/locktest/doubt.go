package locktest

import (
	"context"
	"errors"
	"fmt"

	"github.com/holdfastdb/holdfast/locking"
)

// doubt: a swap whose reply was lost is never called a conflict.
func doubt(ctx context.Context, s Subject) error {
	rs, err := s.open(2)
	if err != nil {
		return err
	}
	version, err := must(ctx, rs[0], locking.Unused, []byte("before"))
	if err != nil {
		return err
	}
	return loseOne(ctx, s, rs, version)
}

// doubtOnCreate: nor is the swap that creates the register.
func doubtOnCreate(ctx context.Context, s Subject) error {
	rs, err := s.open(2)
	if err != nil {
		return err
	}
	return loseOne(ctx, s, rs, locking.Unused)
}

// loseOne loses the reply of a swap from old, repeats that swap, and goes on.
func loseOne(ctx context.Context, s Subject, rs []locking.Register, old locking.Version) error {
	value := []byte("in doubt")
	s.LoseReply()
	told, err := rs[0].CompareAndSwap(ctx, old, value)
	if err != nil && (!errors.Is(err, locking.ErrDoubt) || errors.Is(err, locking.ErrConflict)) {
		return fmt.Errorf("a swap that took effect, and whose reply was lost = %v; want ErrDoubt", err)
	}
	got, present, readErr := rs[1].Read(ctx)
	switch {
	case readErr != nil:
		return readErr
	case present == old || string(got) != string(value):
		return fmt.Errorf("the subject's LoseReply kept the swap from taking effect: %s is there", brief(got))
	case err == nil && told != present:
		return fmt.Errorf("the swap found version %q by itself, but %q is there", told, present)
	}
	// Repeating is safe: the same version cannot be replaced twice.
	if err := expectConflict(ctx, rs[0], old, value); err != nil {
		return fmt.Errorf("repeat the swap that was in doubt: %w", err)
	}
	if err := expectAll(ctx, rs, present, value); err != nil {
		return fmt.Errorf("after the swap in doubt was repeated: %w", err)
	}
	_, err = must(ctx, rs[1], present, []byte("after"))
	return err
}

// cancelled: with a context that has ended nothing happens at all, and the error
// says so.
func cancelled(ctx context.Context, s Subject) error {
	rs, err := s.open(1)
	if err != nil {
		return err
	}
	r := rs[0]
	ended, cancel := context.WithCancel(ctx)
	cancel()
	version, value := locking.Unused, []byte(nil)
	for range 2 {
		_, err := r.CompareAndSwap(ended, version, []byte("too late"))
		if err := expectPlain("swap with a cancelled context", err); err != nil {
			return err
		}
		if !errors.Is(err, context.Canceled) {
			return fmt.Errorf("swap with a cancelled context = %v, want context.Canceled", err)
		}
		if _, _, err := r.Read(ended); !errors.Is(err, context.Canceled) {
			return fmt.Errorf("read with a cancelled context = %v, want context.Canceled", err)
		}
		if err := expect(ctx, r, version, value); err != nil {
			return fmt.Errorf("after a swap with a cancelled context: %w", err)
		}
		// And once more, on a register that is used.
		if version == locking.Unused {
			value = []byte("present")
			if version, err = must(ctx, r, version, value); err != nil {
				return err
			}
		}
	}
	return nil
}
