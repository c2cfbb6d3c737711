package locktest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"sync"
	"time"

	"github.com/holdfastdb/holdfast/locking"
)

// faults of a [cell]; the zero value is a register that keeps its promises.
type faults struct {
	writesOnRead, staleRead, staleUnused        bool
	createsTwice, twoWinners, nobodyWins        bool
	winnerToldConflict, loserToldPlain, repeats bool
	torn, inPlace, aliasesWrite, aliasesRead    bool
	versionFromContent, resetOnWipe             bool
	wipedAcceptsAll                             bool
	versionRing                                 int   // versions repeat after this many; 0: never
	lost                                        error // said after a lost reply; nil: ErrDoubt
	maxValue                                    int   // 0: MaxValue
	cutsOversized, refusesLate                  bool
	tooLarge                                    error // joined to the refusal
	ignoresContext, cancelledTakesEffect        bool
	cancelled                                   error // joined to the context's
	watchDeaf, watchMissesWipe, watchNeverWaits bool
	watchIgnoresContext, watchFails             bool
	watchForgetsWipe                            bool // what was wiped before it began
}

// A cell is what the openers share.
type cell struct {
	faults
	ended chan struct{} // closed when the test ends, for what would never end

	mu             sync.Mutex
	present, prior locking.Version // guarded by mu
	value          []byte          // guarded by mu
	swaps          int             // guarded by mu
	lose           bool            // guarded by mu
	doubted        locking.Version // guarded by mu; the version whose swap was in doubt
	inDoubt        bool            // guarded by mu
}

func newCell(f faults) *cell {
	if f.maxValue == 0 {
		f.maxValue = locking.MaxValue
	}
	if f.lost == nil {
		f.lost = locking.ErrDoubt
	}
	return &cell{faults: f, prior: "none"}
}

// An opener is a register over a cell, with what one process may cache.
type opener struct {
	*cell
	mu      sync.Mutex
	reads   int             // guarded by mu
	version locking.Version // guarded by mu; as read last
	value   []byte          // guarded by mu
}

func (o *opener) Read(ctx context.Context) ([]byte, locking.Version, error) {
	if ctx.Err() != nil && !o.ignoresContext {
		return nil, "", contextError(ctx, o.cancelled)
	}
	o.cell.mu.Lock()
	defer o.cell.mu.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.reads++
	cached := o.staleRead && o.reads%2 == 0 || o.staleUnused && o.reads > 1 && o.version == locking.Unused
	if !cached {
		o.value, o.version = o.cell.value, o.present
	}
	value := o.value
	if o.writesOnRead && o.present == locking.Unused {
		o.present = "opened"
	}
	if o.torn && len(value) > 4000 {
		value = value[:4000]
	}
	if !o.aliasesRead {
		value = bytes.Clone(value)
	}
	return value, o.version, nil
}

func (o *opener) CompareAndSwap(ctx context.Context, old locking.Version, value []byte) (locking.Version, error) {
	if ctx.Err() != nil && !o.ignoresContext && !o.cancelledTakesEffect {
		return "", contextError(ctx, o.cancelled)
	}
	o.cell.mu.Lock()
	defer o.cell.mu.Unlock()
	if len(value) > o.maxValue && o.cutsOversized {
		value = value[:o.maxValue]
	}
	if len(value) > o.maxValue {
		if o.refusesLate {
			o.store(value)
		}
		return "", errors.Join(errors.New("too large"), o.tooLarge)
	}
	if !o.accepts(old) {
		if o.loserToldPlain {
			return "", errors.New("precondition failed")
		}
		return "", locking.ErrConflict
	}
	o.store(value)
	switch {
	case o.lose:
		o.lose, o.inDoubt, o.doubted = false, true, old
		if o.lost != errResolved {
			return "", o.lost
		}
	case ctx.Err() != nil && o.cancelledTakesEffect:
		return "", ctx.Err()
	case o.winnerToldConflict && o.swaps > 3:
		return "", locking.ErrConflict
	}
	return o.present, nil
}

// accepts says whether a swap from old takes effect. The caller holds mu.
func (c *cell) accepts(old locking.Version) bool {
	switch {
	case c.nobodyWins && c.swaps > 0:
		return false
	case c.createsTwice && old == locking.Unused:
		return true
	case c.twoWinners && old == c.prior:
		return true
	case c.wipedAcceptsAll && c.present == locking.Unused:
		return true
	case c.repeats && c.inDoubt && old == c.doubted:
		return true
	}
	return old == c.present
}

// store makes value the present one. The caller holds mu.
func (c *cell) store(value []byte) {
	c.swaps++
	c.prior = c.present
	n := c.swaps
	if c.versionRing > 0 {
		n %= c.versionRing
	}
	c.present = locking.Version(fmt.Sprintf("v%d", n))
	if c.versionFromContent {
		c.present = locking.Version(fmt.Sprintf("v%d", crc32.ChecksumIEEE(value)))
	}
	switch {
	case c.inPlace && len(value) < len(c.value):
		c.value = append(bytes.Clone(value), c.value[len(value):]...)
	case c.aliasesWrite:
		c.value = value
	default:
		c.value = bytes.Clone(value)
	}
}

func (c *cell) wipe() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.present, c.prior, c.value = locking.Unused, "none", nil
	if c.resetOnWipe {
		c.swaps = 0
	}
}

// Watch polls, by the clock of the bubble.
func (o *opener) Watch(ctx context.Context, known locking.Version) error {
	if o.watchFails {
		return errors.ErrUnsupported
	}
	if o.watchIgnoresContext {
		ctx = context.WithoutCancel(ctx)
	}
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	o.cell.mu.Lock()
	first := o.present
	o.cell.mu.Unlock()
	for {
		o.cell.mu.Lock()
		present := o.present
		o.cell.mu.Unlock()
		deaf := o.watchDeaf || o.watchMissesWipe && present == locking.Unused || o.watchForgetsWipe && first == locking.Unused && present == first
		if o.watchNeverWaits || present != known && !deaf {
			return nil
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return ctx.Err()
		case <-o.ended:
			return errors.New("the test ended")
		}
	}
}
