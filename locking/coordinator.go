package locking

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// A Coordinator keeps this process's place in a [Register] and serves every
// connection of the process from it. It implements [Locker] and [Asker].
//
// It holds what it has after a transaction, so that the next one costs no
// register operation, until another process asks for it or it was unused for
// [Options.Idle]. Only one goroutine, the keeper, talks to the register; it ends
// before Close returns, unless the storage hangs in a call that cannot be
// interrupted: then Close says so.
type Coordinator struct {
	reg  Register
	opts Options

	kick     chan struct{}   // wakes the keeper; holds one
	life     context.Context // ends with the coordinator
	cancel   context.CancelFunc
	routines sync.WaitGroup       // the keeper, the watcher, a copy and a removal
	ended    chan struct{}        // closed when the routines are done
	watching *watcher             // nil if the register cannot watch
	decoded  atomic.Pointer[view] // what was read last; never changed
	seen     atomic.Pointer[view] // what somebody else than the keeper read last; nil once it has taken note

	swapTakes atomic.Int64 // nanoseconds, of late; 0 before the first swap

	mu       sync.Mutex
	places   map[*place]struct{} // guarded by mu
	session  *session            // guarded by mu; never nil
	changed  chan struct{}       // guarded by mu; closed and replaced when something a place waits for changed
	changes  uint64              // guarded by mu; see Lock.Changes
	used     instant             // guarded by mu; when a place last gave up its level
	attempts uint64              // guarded by mu; how many times the keeper set out
	outcome  outcome             // guarded by mu; of the latest attempt that ended
	hooks    map[*hook]struct{}  // guarded by mu
	settling *settling           // guarded by mu; nil if nobody asked for it
	closing  bool                // guarded by mu
	left     bool                // guarded by mu; the keeper ended
	released error               // guarded by mu; why the lease could not be released
}

// An outcome is what an attempt of the keeper to raise the level came to.
type outcome struct {
	attempt uint64     // number of the attempt
	held    *HeldError // who was in the way
	futile  bool       // held itself waits, and came first, for us to go; or somebody else is to write first
	err     error      // what went wrong with the register
	failed  error      // why the database could not be copied
}

// NewCoordinator returns a Coordinator over reg. It does not touch the register
// before the first lock is asked for. It fails if opts do not fit together, or if the
// database has a name that [CheckName] refuses. A register that is an [io.Closer] is
// closed once nothing of the Coordinator uses it any more.
func NewCoordinator(reg Register, opts Options) (*Coordinator, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	if opts.Storage != nil {
		if err := CheckName(opts.Storage.Name()); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &Coordinator{
		reg:     reg,
		opts:    opts,
		kick:    make(chan struct{}, 1),
		life:    ctx,
		cancel:  cancel,
		ended:   make(chan struct{}),
		places:  make(map[*place]struct{}),
		session: newSession(opts),
		changed: make(chan struct{}),
		used:    now(),
		hooks:   make(map[*hook]struct{}),
	}
	if w, ok := reg.(Watcher); ok {
		c.watching = newWatcher(w, opts, c.wake)
		c.routines.Go(func() { c.watching.run(ctx) })
	}
	k := newKeeper(c)
	c.routines.Go(func() {
		k.run(ctx)
		c.mu.Lock()
		c.left = true
		c.mu.Unlock()
		cancel()
	})
	go func() {
		c.routines.Wait()
		if closer, ok := reg.(io.Closer); ok {
			if err := closer.Close(); err != nil {
				slog.Warn("locking: closing a register", "lock", c.name(), "err", err)
			}
		}
		close(c.ended)
	}()
	return c, nil
}

// Grade returns [GradeFenced], or [GradeLease] if there is no [Storage].
func (c *Coordinator) Grade() Grade {
	if c.fenced() {
		return GradeFenced
	}
	return GradeLease
}

func (c *Coordinator) fenced() bool { return c.opts.Storage != nil }

// NewLock returns a lock for one more connection. See [Locker].
func (c *Coordinator) NewLock() (Lock, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		return nil, ErrClosed
	}
	p := &place{c: c}
	c.places[p] = struct{}{}
	return p, nil
}

// Close gives up what this process holds, within [Options.Timeout] whatever ctx
// says. Its error says what it could not do. See [Locker].
func (c *Coordinator) Close(ctx context.Context) error {
	c.mu.Lock()
	c.closing = true
	if s := c.current(); c.held() != None {
		// Their writes cannot be called back, so nothing is given up in their name.
		c.released = releaseError(errors.New("locks are still held here"), c.opts.TTL)
		c.retire(s.lose("the database was closed"))
	}
	c.broadcast()
	c.mu.Unlock()
	c.wake()

	// The caller's context may be cancelled already, which is why it closes.
	bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.opts.Timeout)
	defer cancel()
	select {
	case <-c.ended:
	case <-bound.Done():
		c.cancel()
		if err := c.awaitEnd(); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.released
}

// awaitEnd waits for a keeper whose context was cancelled.
func (c *Coordinator) awaitEnd() error {
	grace := time.NewTimer(c.opts.Poll)
	defer grace.Stop()
	select {
	case <-c.ended:
		return nil
	case <-grace.C:
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.left {
			return errors.New("locking: close: the lease is given up, and an operation on the storage hangs")
		}
		return fmt.Errorf("locking: close: %w: an operation on the register hangs; others can go on after %v", ErrUnreachable, c.opts.TTL)
	}
}

// wake has the keeper look again. It never blocks.
func (c *Coordinator) wake() {
	select {
	case c.kick <- struct{}{}:
	default:
	}
}

// broadcast wakes every place that waits. The caller holds mu.
func (c *Coordinator) broadcast() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// current returns the session in force. One that is lost is replaced first.
// The caller holds mu.
func (c *Coordinator) current() *session {
	if err := c.session.check(); err != nil {
		c.retire(err)
	}
	return c.session
}

// retire replaces a lost session. What its places held is lost with it; whoever
// held nothing goes on in the new one. The caller holds mu.
func (c *Coordinator) retire(cause error) {
	s := c.session
	c.opts.Log.Warn("database lease lost", "lock", c.name(), "holder", s.self.ID, "level", s.level, "cause", cause)
	c.session = newSession(c.opts)
	c.changes++
	c.broadcast()
}

// name returns the URL of the lock, as far as the register tells it.
func (c *Coordinator) name() string {
	if s, ok := c.reg.(fmt.Stringer); ok {
		return s.String()
	}
	return fmt.Sprintf("%T", c.reg)
}

// A hook is one function given to OnAsked.
type hook struct {
	f       func()
	running atomic.Bool
	calls   sync.WaitGroup
}

// OnAsked has f called when another process asks for what a lock here holds. It
// is called again at every look at the register for as long as that is so, but
// never twice at once. See [Asker].
func (c *Coordinator) OnAsked(f func()) (stop func()) {
	h := &hook{f: f}
	c.mu.Lock()
	c.hooks[h] = struct{}{}
	c.mu.Unlock()
	return func() {
		c.mu.Lock()
		delete(c.hooks, h)
		c.mu.Unlock()
		h.calls.Wait()
	}
}

// tellAsked calls the hooks. The caller holds mu.
func (c *Coordinator) tellAsked() {
	for h := range c.hooks {
		if !h.running.CompareAndSwap(false, true) {
			continue
		}
		h.calls.Go(func() {
			defer h.running.Store(false)
			h.f()
		})
	}
}

// permanent reports whether an error of the register will not go away by itself
// within the time that a lock may wait.
func permanent(err error) bool {
	return err != nil && !errors.Is(err, ErrConflict) && !errors.Is(err, ErrDoubt) && !errors.Is(err, ErrUnreachable) &&
		!errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled)
}
