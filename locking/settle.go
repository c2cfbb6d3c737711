package locking

import (
	"context"
	"errors"
	"fmt"
)

// A Settler is a [Locker] that can bring back the plain name of a database that was
// taken over. It is meant for a command that an operator gives.
type Settler interface {
	Locker

	// Settle copies the database to its plain name and makes that the database. It
	// waits until nobody else has it open, or ctx ends. It refuses while a process
	// that set out to remove the plain name has not said that it is done, since that
	// could still happen, unless force is set: then it first removes what is left by
	// that name itself.
	//
	// What a stale process does under the plain name of a journal cannot be kept
	// out: whoever was ever evicted from the plain name must be gone for good.
	Settle(ctx context.Context, force bool) error
}

// A settling is one call of Settle that holds the database alone.
type settling struct {
	place    *place
	force    bool
	removing bool  // the plain name is being removed by this process; guarded by Coordinator.mu
	failed   error // why it could not be done; guarded by Coordinator.mu
}

var _ Settler = (*Coordinator)(nil)

// Settle implements [Settler].
func (c *Coordinator) Settle(ctx context.Context, force bool) error {
	if !c.fenced() {
		return errors.New("locking: settle: without a fence the database never leaves its plain name")
	}
	l, err := c.NewLock()
	if err != nil {
		return err
	}
	defer l.Close()
	p := l.(*place)
	p.SetSole(true)
	if err := p.Lock(ctx, Shared, func() bool { return ctx.Err() == nil }); err != nil {
		return fmt.Errorf("locking: settle: %w", err)
	}
	r, err := c.ask(ctx)
	switch {
	case err != nil:
		return err
	case r.File == "":
		return nil
	case r.Removing != nil && !force:
		return fmt.Errorf("locking: settle: %v set out to remove the plain name and has not been heard of since: "+
			"stop whoever had the database open since, see that its machine was rebooted or is gone for good, and settle by force", r.Removing)
	}
	if err := c.settle(ctx, &settling{place: p, force: force}); err != nil {
		return fmt.Errorf("locking: settle: %w", err)
	}
	return nil
}

// settle has the keeper copy, and waits for the outcome.
func (c *Coordinator) settle(ctx context.Context, w *settling) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settling = w
	defer func() { c.settling = nil }()
	c.wake()
	for {
		changed := c.changed
		switch {
		case w.place.Check() != nil:
			return w.place.Check()
		case w.place.session.where.File == "":
			return nil
		case w.failed != nil:
			return w.failed
		}
		c.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
		c.mu.Lock()
		switch {
		case ctx.Err() == nil:
		case w.removing:
			return fmt.Errorf("the plain name is still being removed, try again later: %w", context.Cause(ctx))
		default:
			return context.Cause(ctx)
		}
	}
}
