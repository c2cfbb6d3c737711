package locktest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/holdfastdb/holdfast/locking"
)

// unused: a register that was never written reads as [locking.Unused], and
// looking at it does not write it.
func unused(ctx context.Context, s Subject) error {
	rs, err := s.open(2)
	if err != nil {
		return err
	}
	for range 2 {
		if err := expectAll(ctx, rs, locking.Unused, nil); err != nil {
			return fmt.Errorf("unused register: %w", err)
		}
	}
	return nil
}

// fresh: what one opener wrote is what all others read, however recently they
// looked, and even if they saw that there is no register.
func fresh(ctx context.Context, s Subject) error {
	rs, err := s.open(3)
	if err != nil {
		return err
	}
	version := locking.Unused
	if err := expectAll(ctx, rs, version, nil); err != nil {
		return err
	}
	for i := range 12 {
		value := number(i)
		if version, err = must(ctx, rs[i%len(rs)], version, value); err != nil {
			return err
		}
		if err := expectAll(ctx, rs, version, value); err != nil {
			return fmt.Errorf("after swap %d: %w", i+1, err)
		}
	}
	return nil
}

// freshWhileWritten: a read that overlaps with swaps returns what was there at
// some moment between its start and its end.
func freshWhileWritten(ctx context.Context, s Subject) error {
	const swaps, readers = 40, 3
	rs, err := s.open(1 + readers)
	if err != nil {
		return err
	}
	var begun, done, changes atomic.Int64
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for _, r := range rs[1:] {
		wg.Go(func() {
			var last int64
			for running(stop) && ctx.Err() == nil {
				n, err := readBetween(ctx, r, &begun, &done)
				cancelOn(cancel, err)
				if n != last {
					changes.Add(1)
				}
				last = n
			}
		})
	}
	version := locking.Unused
	// On fast storage the writer would be done before the readers saw anything.
	for i := 1; ctx.Err() == nil && (i <= swaps || changes.Load() < swaps); i++ {
		begun.Store(int64(i))
		version, err = must(ctx, rs[0], version, number(i))
		cancelOn(cancel, err)
		done.Store(int64(i))
	}
	close(stop)
	wg.Wait()
	return context.Cause(ctx)
}

// readBetween reads the number of a swap, and compares it with what had been
// done before, and begun after.
func readBetween(ctx context.Context, r locking.Register, begun, done *atomic.Int64) (int64, error) {
	low := done.Load()
	value, _, err := r.Read(ctx)
	high := begun.Load()
	if err != nil {
		return 0, fmt.Errorf("read beside a writer: %w", err)
	}
	var n int64
	if len(value) > 0 {
		if _, err := fmt.Sscanf(string(value), "value %d", &n); err != nil {
			return 0, fmt.Errorf("read %s, which nobody wrote", brief(value))
		}
	}
	if n < low || n > high {
		return 0, fmt.Errorf("read value %d, though %d was written before the read began and %d was the latest when it ended", n, low, high)
	}
	return n, nil
}

func running(stop <-chan struct{}) bool {
	select {
	case <-stop:
		return false
	default:
		return true
	}
}

// cancelOn ends a concurrent check with its first error, rather than with the
// cancellation that this brings to the others.
func cancelOn(cancel context.CancelCauseFunc, err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		cancel(err)
	}
}
