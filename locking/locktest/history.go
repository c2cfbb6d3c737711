package locktest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/holdfastdb/holdfast/locking"
)

// history: racers read and swap as fast as they can, and what they were told
// afterwards makes one chain from Unused to what is there at the end.
func history(ctx context.Context, s Subject) error {
	const attempts = 12
	rs, err := s.open(racers)
	if err != nil {
		return err
	}
	logs := make([]record, racers)
	errs := make([]error, racers)
	var wg sync.WaitGroup
	for i, r := range rs {
		wg.Go(func() {
			for n := range attempts {
				if errs[i] = logs[i].turn(ctx, r, fmt.Sprintf("racer %d swap %d", i, n)); errs[i] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	all := record{}
	for _, l := range logs {
		all.swaps = append(all.swaps, l.swaps...)
		all.reads = append(all.reads, l.reads...)
	}
	final, err := all.read(ctx, rs[0])
	if err := errors.Join(append(errs, err)...); err != nil {
		return err
	}
	return all.verify(final)
}

// A record is what racers were told: their reads, and their swaps but for those
// that failed for sure.
type record struct {
	reads []seen
	swaps []swap
}

type seen struct {
	version locking.Version
	value   string
}

type swap struct {
	from  locking.Version
	to    seen // without a version if in doubt
	doubt bool
}

// turn reads and swaps once.
func (h *record) turn(ctx context.Context, r locking.Register, value string) error {
	old, err := h.read(ctx, r)
	if err != nil {
		return err
	}
	runtime.Gosched() // so that others come in between, on fast storage too
	version, err := r.CompareAndSwap(ctx, old, []byte(value))
	switch {
	case err == nil:
		h.swaps = append(h.swaps, swap{from: old, to: seen{version, value}})
	case errors.Is(err, locking.ErrDoubt):
		h.swaps = append(h.swaps, swap{from: old, to: seen{value: value}, doubt: true})
	case !errors.Is(err, locking.ErrConflict):
		return fmt.Errorf("swap from version %q: %w", old, err)
	}
	return nil
}

func (h *record) read(ctx context.Context, r locking.Register) (locking.Version, error) {
	value, version, err := r.Read(ctx)
	if err != nil {
		return version, fmt.Errorf("read: %w", err)
	}
	h.reads = append(h.reads, seen{version, string(value)})
	return version, nil
}

// verify follows the swaps from Unused on. A swap in doubt is part of the chain
// if somebody read its value.
func (h *record) verify(final locking.Version) error {
	values, err := h.values()
	if err != nil {
		return err
	}
	chain := map[locking.Version]bool{locking.Unused: true}
	last := locking.Unused
	for {
		next, err := h.successor(last, values)
		if err != nil {
			return err
		}
		if next == last {
			break
		}
		if chain[next] {
			return fmt.Errorf("version %q came back", next)
		}
		chain[next], last = true, next
	}
	if last != final {
		return fmt.Errorf("the swaps lead from Unused to version %q, but %q is there", last, final)
	}
	for version, value := range values {
		if !chain[version] {
			return fmt.Errorf("version %q with value %q does not descend from Unused", version, value)
		}
	}
	if len(chain) == 1 {
		return errors.New("no swap at all succeeded")
	}
	return nil
}

// values tells the value of each version, which must always be the same.
func (h *record) values() (map[locking.Version]string, error) {
	all := slices.Clone(h.reads)
	for _, s := range h.swaps {
		if !s.doubt {
			all = append(all, s.to)
		}
	}
	values := make(map[locking.Version]string)
	for _, v := range all {
		if other, known := values[v.version]; known && other != v.value {
			return nil, fmt.Errorf("version %q had two values: %q and %q", v.version, other, v.value)
		}
		values[v.version] = v.value
	}
	return values, nil
}

// successor returns the version that followed old, or old if none did.
func (h *record) successor(old locking.Version, values map[locking.Version]string) (locking.Version, error) {
	next := old
	for _, s := range h.swaps {
		if s.from != old {
			continue
		}
		to := s.to.version
		if s.doubt {
			to = old
			for version, value := range values {
				if value == s.to.value {
					to = version
				}
			}
		}
		if to != old && next != old {
			return old, fmt.Errorf("two swaps from version %q took effect: to %q and to %q", old, next, to)
		}
		if to != old {
			next = to
		}
	}
	return next, nil
}
