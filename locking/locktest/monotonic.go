package locktest

import (
	"context"
	"fmt"
	"slices"

	"github.com/holdfastdb/holdfast/locking"
)

// monotonic: a version never comes back, also when a value does.
func monotonic(ctx context.Context, s Subject) error {
	rs, err := s.open(2)
	if err != nil {
		return err
	}
	versions := []locking.Version{locking.Unused}
	for i := range 12 {
		// Two values in turn: a version made from the content comes back.
		next, err := must(ctx, rs[i%2], versions[i], number(i%2))
		if err != nil {
			return err
		}
		if slices.Contains(versions, next) {
			return fmt.Errorf("swap %d returned version %q, which was there before", i+1, next)
		}
		versions = append(versions, next)
	}
	return nil
}

// monotonicAfterWipe: not even a deletion of the cell brings a version back.
func monotonicAfterWipe(ctx context.Context, s Subject) error {
	rs, err := s.open(3)
	if err != nil {
		return err
	}
	var old []locking.Version
	for life := range 3 {
		versions, err := fill(ctx, rs, 4)
		if err != nil {
			return fmt.Errorf("life %d of the cell: %w", life+1, err)
		}
		for _, v := range versions {
			if slices.Contains(old, v) {
				return fmt.Errorf("version %q came back after the cell was deleted", v)
			}
		}
		// Whoever knows a version of an earlier life is late.
		if err := allConflict(ctx, rs, old); err != nil {
			return err
		}
		if err := expectAll(ctx, rs, versions[3], number(4)); err != nil {
			return fmt.Errorf("after late swaps: %w", err)
		}
		old = append(old, versions...)
		if err := s.Wipe(); err != nil {
			return fmt.Errorf("wipe: %w", err)
		}
		if err := expectAll(ctx, rs, locking.Unused, nil); err != nil {
			return fmt.Errorf("after the cell was deleted: %w", err)
		}
		if err := allConflict(ctx, rs, old); err != nil {
			return fmt.Errorf("after the cell was deleted: %w", err)
		}
	}
	return nil
}

// late: a swap from a version of long ago fails and changes nothing, also after
// a backend collected what belonged to that version.
func late(ctx context.Context, s Subject) error {
	rs, err := s.open(2)
	if err != nil {
		return err
	}
	const swaps = 150
	versions, err := fill(ctx, rs, swaps)
	if err != nil {
		return err
	}
	if err := allConflict(ctx, rs, append(versions[:swaps-1:swaps-1], locking.Unused)); err != nil {
		return err
	}
	return expectAll(ctx, rs, versions[swaps-1], number(swaps))
}

func allConflict(ctx context.Context, rs []locking.Register, old []locking.Version) error {
	for i, v := range old {
		if err := expectConflict(ctx, rs[i%len(rs)], v, []byte("late")); err != nil {
			return err
		}
	}
	return nil
}
