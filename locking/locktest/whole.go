package locktest

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/holdfastdb/holdfast/locking"
)

// whole: any bytes come back as they were, and belong to the register from then
// on: what the caller does to its slices does not change them.
func whole(ctx context.Context, s Subject) error {
	rs, err := s.open(2)
	if err != nil {
		return err
	}
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	version := locking.Unused
	for _, value := range [][]byte{[]byte("{}\n"), every, {}, {0}, []byte("\xff\xfe not UTF-8"), bytes.Repeat(every, 16)} {
		mine := bytes.Clone(value)
		if version, err = must(ctx, rs[0], version, mine); err != nil {
			return err
		}
		clear(mine)
		if err := expectAll(ctx, rs, version, value); err != nil {
			return fmt.Errorf("after the writer reused its slice: %w", err)
		}
		got, _, err := rs[0].Read(ctx)
		if err != nil {
			return err
		}
		clear(got)
		if err := expectAll(ctx, rs, version, value); err != nil {
			return fmt.Errorf("after a reader wrote into what it got: %w", err)
		}
	}
	return nil
}

// wholeWhileWritten: a read beside writers of long and short values returns one
// of them, not a part and not a mixture.
func wholeWhileWritten(ctx context.Context, s Subject) error {
	const swaps, readers = 30, 3
	rs, err := s.open(1 + readers)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var changes atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for _, r := range rs[1:] {
		wg.Go(func() {
			last := locking.Unused
			for running(stop) && ctx.Err() == nil {
				value, version, err := r.Read(ctx)
				if err == nil && version != locking.Unused && !isPattern(value) {
					err = fmt.Errorf("read value %s of version %q, which nobody wrote as a whole", brief(value), version)
				}
				cancelOn(cancel, err)
				if version != last {
					changes.Add(1)
				}
				last = version
			}
		})
	}
	version := locking.Unused
	for i := 0; ctx.Err() == nil && (i < swaps || changes.Load() < swaps); i++ {
		version, err = must(ctx, rs[0], version, pattern(i%100))
		cancelOn(cancel, err)
	}
	close(stop)
	wg.Wait()
	return context.Cause(ctx)
}

// pattern is a value in which every byte tells which value it is of: long and
// short ones in turn.
func pattern(n int) []byte {
	size := 100
	if n%2 == 0 {
		size = locking.MaxValue - n
	}
	return bytes.Repeat([]byte{'A' + byte(n)}, size)
}

func isPattern(value []byte) bool {
	return len(value) > 0 && value[0] >= 'A' && bytes.Equal(value, pattern(int(value[0]-'A')))
}

// bounded: a value of MaxValue bytes is stored, and a larger one refused before
// anything changed.
func bounded(ctx context.Context, s Subject) error {
	rs, err := s.open(2)
	if err != nil {
		return err
	}
	largest := bytes.Repeat([]byte("0123456789abcdef"), locking.MaxValue/16)
	tooLarge := append(bytes.Clone(largest), 'x')

	_, err = rs[0].CompareAndSwap(ctx, locking.Unused, tooLarge)
	if err := expectPlain("create with MaxValue+1 bytes", err); err != nil {
		return err
	}
	if err := expectAll(ctx, rs, locking.Unused, nil); err != nil {
		return fmt.Errorf("after a create that was refused: %w", err)
	}
	version, err := must(ctx, rs[0], locking.Unused, largest)
	if err != nil {
		return fmt.Errorf("create with MaxValue bytes: %w", err)
	}
	_, err = rs[0].CompareAndSwap(ctx, version, tooLarge)
	if err := expectPlain("swap to MaxValue+1 bytes", err); err != nil {
		return err
	}
	if err := expectAll(ctx, rs, version, largest); err != nil {
		return fmt.Errorf("after a swap that was refused: %w", err)
	}
	if _, err = must(ctx, rs[1], version, bytes.ToUpper(largest)); err != nil {
		return fmt.Errorf("swap to MaxValue bytes: %w", err)
	}
	return nil
}
