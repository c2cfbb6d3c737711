package plugincheck

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/holdfastdb/holdfast/locking"
	"github.com/holdfastdb/holdfast/wasmplugins"
)

// A register is an opener of a cell's lock, that counts its calls and can lose the reply of a
// swap.
type register struct {
	*wasmplugins.Register
	cell *cell
}

// A watcher is a register whose plugin can be watched: to others it must not look like that.
type watcher struct {
	*register
	watcher locking.Watcher
}

var (
	_ locking.Register = (*register)(nil)
	_ locking.Watcher  = watcher{}
)

// Watch is that of the plugin.
func (w watcher) Watch(ctx context.Context, known locking.Version) error {
	return w.watcher.Watch(ctx, known)
}

// Read is that of the plugin.
func (r *register) Read(ctx context.Context) (value []byte, version locking.Version, err error) {
	err = r.timed(ctx, func() (err error) {
		value, version, err = r.Register.Read(ctx)
		return err
	})
	return value, version, err
}

// CompareAndSwap is that of the plugin. A reply that is to be lost, and was not lost on the
// wire, is lost here.
func (r *register) CompareAndSwap(ctx context.Context, old locking.Version, value []byte) (version locking.Version, err error) {
	lost := func() bool { return false }
	if r.cell.wire.losing() {
		other, err := r.cell.aside(ctx)
		if err != nil {
			return locking.Unused, err
		}
		lost = r.cell.wire.begin(func() bool {
			got, present, err := other.Read(ctx)
			return err == nil && present != old && bytes.Equal(got, value)
		})
	}
	err = r.timed(ctx, func() (err error) {
		version, err = r.Register.CompareAndSwap(ctx, old, value)
		return err
	})
	if lost() && err == nil {
		return locking.Unused, fmt.Errorf("%w: the check lost the reply", locking.ErrDoubt)
	}
	return version, err
}

// timed makes a call, and counts it.
func (r *register) timed(ctx context.Context, call func() error) error {
	start := time.Now()
	err := call()
	if ctx.Err() == nil {
		r.cell.suite.calls.count(r.cell.check, time.Since(start), err)
	}
	return err
}

// calls counts those of all checks.
type calls struct {
	mu      sync.Mutex
	n       int           // guarded by mu
	slowest time.Duration // guarded by mu
	broken  int           // guarded by mu
	first   string        // the check of the first that broke, and how it did; guarded by mu
}

// count notes a call, but for those that were meant to run out of their time.
func (c *calls) count(check string, took time.Duration, err error) {
	if check == silentName {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	c.slowest = max(c.slowest, took)
	if errors.Is(err, wasmplugins.ErrBroken) {
		if c.broken++; c.broken == 1 {
			c.first = fmt.Sprintf("%s: %v", check, err)
		}
	}
}

// inTime: every call is answered, and in its time. It is the last of the checks.
func (s *suite) inTime(context.Context, *cell) error {
	s.calls.mu.Lock()
	defer s.calls.mu.Unlock()
	if s.calls.broken > 0 {
		return fmt.Errorf("%d of %d calls broke off, the first in %s", s.calls.broken, s.calls.n, s.calls.first)
	}
	if s.calls.n == 0 {
		return nil
	}
	return remark(fmt.Sprintf("the slowest of %d calls took %v", s.calls.n, rounded(s.calls.slowest)))
}

func rounded(d time.Duration) time.Duration {
	if d < time.Millisecond {
		return d.Round(time.Microsecond)
	}
	return d.Round(time.Millisecond)
}
