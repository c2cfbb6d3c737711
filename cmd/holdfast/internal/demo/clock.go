package demo

import (
	"context"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/holdfastdb/holdfast/backends/leasefile"
	"github.com/holdfastdb/holdfast/locking"
)

// stoppedScheme is the scheme, known to a writer alone, of a lease file whose holder
// does not notice that it stood still.
const stoppedScheme = "demo-" + leasefile.Scheme

// canStopClock reports whether a lock is one that [stoppedClock] can stand for.
func canStopClock(lock string) bool {
	scheme, _, _ := strings.Cut(lock, ":")
	scheme, _, _ = strings.Cut(scheme, "?")
	return scheme == leasefile.Scheme
}

// A stoppedClock makes of a process that is frozen and woken what a virtual machine
// is that was paused with all its clocks: it goes on in its old belief. Its lease, as
// it sees it, lasts for hours, while the register tells the others the true TTL. And
// what it did when it was frozen it ends before it hears from the register unasked.
// Nothing else is changed: it is the fence alone that stops it.
type stoppedClock struct {
	mu        sync.Mutex
	stands    bool          // inside a transaction; guarded by mu
	asleep    bool          // no Verify may begin; guarded by mu
	verifying int           // calls of Verify under way; guarded by mu
	changed   chan struct{} // closed and replaced when that changes; guarded by mu
}

// never is how long the lease lasts by a clock that stands still.
const never = 24 * time.Hour

func newStoppedClock() *stoppedClock { return &stoppedClock{changed: make(chan struct{})} }

// open is the [locking.Backend].
func (c *stoppedClock) open(_ context.Context, u *url.URL, database string, opts locking.Options) (locking.Locker, error) {
	own := *u
	own.Scheme = leasefile.Scheme
	register, err := leasefile.Open(&own, database)
	if err != nil {
		return nil, err
	}
	told := opts.TTL
	opts.TTL = never
	coordinator, err := locking.NewCoordinator(&stoppedRegister{register, c, told}, opts)
	if err != nil {
		return nil, err
	}
	return &stoppedLocker{coordinator, c}, nil
}

// standStill has the process hear nothing of the register, unless it asks to verify,
// before it goes on. It returns when no Verify is under way, and none begins before
// [stoppedClock.wakeUp]: the bound of a look that the freeze interrupted would have
// passed, and the process would stop by its clock after all.
func (c *stoppedClock) standStill() {
	c.set(func() { c.stands, c.asleep = true, true })
	c.await(context.Background(), func() bool { return c.verifying == 0 })
}

// wakeUp ends the sleep.
func (c *stoppedClock) wakeUp() { c.set(func() { c.asleep = false }) }

// goOn has the process hear of the register again.
func (c *stoppedClock) goOn() { c.set(func() { c.stands, c.asleep = false, false }) }

func (c *stoppedClock) set(change func()) {
	c.await(context.Background(), func() bool { change(); return true })
}

// wait returns when the register may be used.
func (c *stoppedClock) wait(ctx context.Context) error {
	return c.await(ctx, func() bool { return !c.stands || c.verifying > 0 })
}

// await returns when try, which is called under the mutex and may change what it guards,
// says so.
func (c *stoppedClock) await(ctx context.Context, try func() bool) error {
	for {
		c.mu.Lock()
		done, changed := try(), c.changed
		if done {
			close(c.changed)
			c.changed = make(chan struct{})
		}
		c.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// A stoppedRegister tells the others the true TTL.
type stoppedRegister struct {
	*leasefile.Register
	clock *stoppedClock
	ttl   time.Duration
}

func (r *stoppedRegister) Read(ctx context.Context) ([]byte, locking.Version, error) {
	if err := r.clock.wait(ctx); err != nil {
		return nil, locking.Unused, err
	}
	return r.Register.Read(ctx)
}

func (r *stoppedRegister) CompareAndSwap(ctx context.Context, old locking.Version, value []byte) (locking.Version, error) {
	if err := r.clock.wait(ctx); err != nil {
		return locking.Unused, err
	}
	record, err := locking.DecodeRecord(value)
	if err != nil {
		return locking.Unused, err
	}
	for i := range record.Entries {
		if e := &record.Entries[i]; e.TTL == never.Milliseconds() {
			e.TTL = r.ttl.Milliseconds()
		}
	}
	if value, err = record.Encode(); err != nil {
		return locking.Unused, err
	}
	return r.Register.CompareAndSwap(ctx, old, value)
}

// A stoppedLocker is the locker of that process.
type stoppedLocker struct {
	*locking.Coordinator
	clock *stoppedClock
}

func (l *stoppedLocker) NewLock() (locking.Lock, error) {
	lock, err := l.Coordinator.NewLock()
	if err != nil {
		return nil, err
	}
	return &stoppedLock{lock.(locking.SoleLock), l.clock}, nil
}

type stoppedLock struct {
	locking.SoleLock
	clock *stoppedClock
}

// Verify lets the register be heard.
func (l *stoppedLock) Verify() error {
	l.clock.await(context.Background(), func() bool {
		if !l.clock.asleep {
			l.clock.verifying++
		}
		return !l.clock.asleep
	})
	defer l.clock.set(func() { l.clock.verifying-- })
	return l.SoleLock.Verify()
}
