package locktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/holdfastdb/holdfast/locking"
)

// expect reads and compares with what must be there.
func expect(ctx context.Context, r locking.Register, version locking.Version, value []byte) error {
	gotValue, got, err := r.Read(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("read: %w", err)
	case got != version:
		return fmt.Errorf("read version %q, want %q", got, version)
	case !bytes.Equal(gotValue, value):
		return fmt.Errorf("read value %s of version %q, want %s", brief(gotValue), got, brief(value))
	}
	return nil
}

// expectAll expects the same of several openers.
func expectAll(ctx context.Context, rs []locking.Register, version locking.Version, value []byte) error {
	for i, r := range rs {
		if err := expect(ctx, r, version, value); err != nil {
			return fmt.Errorf("opener %d: %w", i, err)
		}
	}
	return nil
}

// expectConflict swaps from a version that is not the present one.
func expectConflict(ctx context.Context, r locking.Register, old locking.Version, value []byte) error {
	if version, err := r.CompareAndSwap(ctx, old, value); !errors.Is(err, locking.ErrConflict) {
		return fmt.Errorf("swap from version %q, which is not there = %q, %v; want ErrConflict", old, version, err)
	}
	return nil
}

// expectPlain wants an error that promises that nothing changed.
func expectPlain(what string, err error) error {
	if err == nil || errors.Is(err, locking.ErrConflict) || errors.Is(err, locking.ErrDoubt) {
		return fmt.Errorf("%s = %v; want an error that is neither ErrConflict nor ErrDoubt", what, err)
	}
	return nil
}

// must swaps, and wants it to work.
func must(ctx context.Context, r locking.Register, old locking.Version, value []byte) (locking.Version, error) {
	version, err := r.CompareAndSwap(ctx, old, value)
	switch {
	case err != nil:
		return version, fmt.Errorf("swap from the present version %q: %w", old, err)
	case version == locking.Unused || version == old:
		return version, fmt.Errorf("swap from version %q returned version %q, which is no new one", old, version)
	}
	return version, nil
}

// fill swaps n times and returns the versions in order.
func fill(ctx context.Context, rs []locking.Register, n int) ([]locking.Version, error) {
	versions := []locking.Version{locking.Unused}
	for i := range n {
		next, err := must(ctx, rs[i%len(rs)], versions[i], number(i+1))
		if err != nil {
			return nil, err
		}
		versions = append(versions, next)
	}
	return versions[1:], nil
}

// number is a value that tells one swap from another.
func number(n int) []byte { return fmt.Appendf(nil, "value %d", n) }

// brief shows a value in an error.
func brief(value []byte) string {
	if len(value) <= 60 {
		return fmt.Sprintf("%q", value)
	}
	return fmt.Sprintf("%q… (%d bytes)", value[:40], len(value))
}
