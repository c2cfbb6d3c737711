package main

import (
	"context"
	"fmt"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/holdfastdb/holdfast/backends/leasefile"
	"github.com/holdfastdb/holdfast/internal/netlab/workload"
	"github.com/holdfastdb/holdfast/locking"
)

// guards are those that Holdfast does without.
type guards struct{ fence, verify, trace, clock, reopen, fresh bool }

func newGuards(names []string) (g guards, err error) {
	for _, name := range names {
		which, ok := map[string]*bool{
			workload.GuardFence: &g.fence, workload.GuardVerify: &g.verify, workload.GuardTrace: &g.trace,
			workload.GuardClock: &g.clock, workload.GuardReopen: &g.reopen, workload.GuardFresh: &g.fresh,
		}[name]
		if !ok {
			return g, fmt.Errorf("%w: there is no guard %q", errUsage, name)
		}
		*which = true
	}
	return g, nil
}

// wraps reports whether that takes another file system or another lock.
func (g guards) wraps() bool {
	g.fence = false
	return g != guards{}
}

// schemes counts the locks that were registered.
var schemes atomic.Int64

// registerLock returns the scheme of a lock that is the lease file on these files,
// without some guards.
func registerLock(files *files, without guards) (scheme string) {
	scheme = fmt.Sprintf("worker%d", schemes.Add(1))
	locking.RegisterBackend(scheme, func(_ context.Context, _ *url.URL, database string, opts locking.Options) (locking.Locker, error) {
		var register locking.Register = leasefile.New(files.forRegister(), database+leasefile.Suffix)
		if without.clock {
			register = told{register, opts.TTL}
			opts.TTL, opts.Renew, opts.Poll, opts.Idle, opts.Guard = eternity, eternity/2, eternity/2, eternity, 0
		}
		c, err := locking.NewCoordinator(register, opts)
		if err != nil || !without.verify && !without.trace && !without.clock {
			return c, err
		}
		return locker{c, files, without}, nil
	})
	return scheme
}

// A locker gives out locks without some guards.
type locker struct {
	*locking.Coordinator
	files   *files
	without guards
}

// NewLock implements [locking.Locker].
func (l locker) NewLock() (locking.Lock, error) {
	k, err := l.Coordinator.NewLock()
	if err != nil {
		return nil, err
	}
	return lock{k.(locking.SoleLock), l.files, l.without}, nil
}

type lock struct {
	locking.SoleLock
	files   *files
	without guards
}

// Verify is nil without looking, where that was taken away. Without the trace that is
// so only while there is a journal to be finished: then it is asked for leave.
func (k lock) Verify() error {
	if k.without.verify || k.without.trace && k.files.hasJournal() {
		return nil
	}
	return k.SoleLock.Verify()
}

// Check is nil for one whose clock stands still.
func (k lock) Check() error {
	if k.without.clock {
		return nil
	}
	return k.SoleLock.Check()
}

// eternity is how long a lease lasts for a process whose clock stands still: it never
// renews it, and never looks by itself whether it was overtaken.
const eternity = 24 * time.Hour

// A told register keeps from others that its process has all the time in the world.
type told struct {
	locking.Register
	ttl time.Duration // that they are told
}

func (r told) CompareAndSwap(ctx context.Context, old locking.Version, value []byte) (locking.Version, error) {
	record, err := locking.DecodeRecord(value)
	if err != nil {
		return old, err
	}
	for i := range record.Entries {
		if e := &record.Entries[i]; e.TTL == eternity.Milliseconds() {
			e.TTL = r.ttl.Milliseconds()
		}
	}
	if value, err = record.Encode(); err != nil {
		return old, err
	}
	return r.Register.CompareAndSwap(ctx, old, value)
}

// String names the register, as others name it.
func (r told) String() string { return fmt.Sprint(r.Register) }
