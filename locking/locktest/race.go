package locktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/holdfastdb/holdfast/locking"
)

const racers = 8

// createOnce: of many who create at once, one does.
func createOnce(ctx context.Context, s Subject) error {
	rs, err := s.open(racers)
	if err != nil {
		return err
	}
	version, err := oneWinner(ctx, rs, locking.Unused, 0)
	if err != nil {
		return err
	}
	for _, r := range rs {
		if err := expectConflict(ctx, r, locking.Unused, []byte("late")); err != nil {
			return fmt.Errorf("create a register that exists: %w", err)
		}
	}
	_, present, err := rs[0].Read(ctx)
	if err == nil && present != version {
		err = fmt.Errorf("version is %q after creates that failed, want %q", present, version)
	}
	return err
}

// atomicSwap: of many who swap from one version at once, one succeeds; round
// after round.
func atomicSwap(ctx context.Context, s Subject) error {
	rs, err := s.open(racers)
	if err != nil {
		return err
	}
	version, err := must(ctx, rs[0], locking.Unused, []byte("start"))
	for round := 1; round <= 20 && err == nil; round++ {
		version, err = oneWinner(ctx, rs, version, round)
	}
	return err
}

// oneWinner has all openers swap from one version at once and returns the
// version that came of it. Without a fault every loser is told so; a loser in
// doubt is allowed, as long as one swap only took effect.
func oneWinner(ctx context.Context, rs []locking.Register, old locking.Version, round int) (locking.Version, error) {
	value := func(racer int) []byte { return fmt.Appendf(nil, "round %d racer %d", round, racer) }
	versions, errs := make([]locking.Version, len(rs)), make([]error, len(rs))
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i, r := range rs {
		wg.Go(func() {
			<-start
			versions[i], errs[i] = r.CompareAndSwap(ctx, old, value(i))
		})
	}
	close(start)
	wg.Wait()

	present, version, err := rs[0].Read(ctx)
	if err != nil {
		return version, err
	}
	won, effective := 0, 0
	for i := range rs {
		mine := bytes.Equal(present, value(i))
		switch {
		case errs[i] == nil && !(mine && versions[i] == version):
			return version, fmt.Errorf("round %d: racer %d won with version %q, but %s is there with version %q",
				round, i, versions[i], brief(present), version)
		case errs[i] == nil:
			won, effective = won+1, effective+1
		case errors.Is(errs[i], locking.ErrDoubt) && mine:
			effective++
		case errors.Is(errs[i], locking.ErrDoubt):
		case !errors.Is(errs[i], locking.ErrConflict):
			return version, fmt.Errorf("round %d: racer %d lost with %v, want ErrConflict", round, i, errs[i])
		case mine:
			return version, fmt.Errorf("round %d: racer %d was told ErrConflict, but its value is there", round, i)
		}
	}
	if effective != 1 {
		return version, fmt.Errorf("round %d: %d racers won and %d swaps took effect, want 1", round, won, effective)
	}
	return version, nil
}
