package locking

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// An attempt is one call of Lock that has to wait.
type attempt struct {
	p     *place
	level Level
	again func() bool
	start time.Time
	over  bool // again said no, or there is none
}

// patience is how long an idle holder gets to step down before a caller that
// does not want to wait is told no: it has to look, write, and be seen.
func (c *Coordinator) patience() time.Duration { return 4 * c.handOver() }

// giveUp returns the error to give up with, or nil to go on waiting. local is
// the place of this process that is in the way, if one is. The caller holds mu.
func (a *attempt) giveUp(local *HeldError) error {
	p := a.p
	climb := p.level == Shared
	if local != nil {
		if climb || a.exhausted() {
			return local
		}
		return nil
	}
	out := p.c.outcome
	answered := p.want != None && out.attempt >= p.since
	waited := time.Since(a.start)
	switch {
	case !answered:
		if waited > p.c.patience()+p.c.opts.Timeout && a.exhausted() {
			err := fmt.Errorf("%w since %v", ErrUnreachable, waited.Round(time.Millisecond))
			if cause := p.c.session.setback.Load(); cause != nil {
				err = fmt.Errorf("%w: %v", err, *cause)
			}
			return err
		}
		return nil
	case out.err != nil && (permanent(out.err) || waited > p.c.patience()+p.c.opts.Timeout && a.exhausted()):
		return told(out.err)
	case out.held == nil:
		return nil
	case p.level == None && p.wrote && !out.held.Level.Writing():
		p.wrote = false // it may be about to read this time, beside others who do
		return nil
	case climb && (a.level == Reserved || out.futile):
		// The holder may be waiting for this very reader to leave. And of two that
		// found a journal to play back one has to let go, and it is not the one that
		// is let in to write.
		a.claim()
	case waited < p.c.patience() || !climb && !a.exhausted():
		return nil
	case climb:
		a.claim()
	case p.claim:
		// There is no time left to wait for a chance to write, but one may be let in
		// to read.
		p.claim = false
		return nil
	}
	held := *out.held
	held.Wanted = a.level
	return &held
}

// told returns an error of the register as a caller may see it, whose own context has
// not ended: that of one operation is none of its business.
func told(err error) error {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return fmt.Errorf("%w: %v", ErrUnreachable, err)
	}
	return err
}

// ended adds to the error that ended the wait who was in the way until then. The
// caller holds mu.
func (a *attempt) ended(err error) error {
	p := a.p
	out := p.c.outcome
	if out.held == nil || p.want == None || out.attempt < p.since || errors.Is(err, ErrLost) {
		return err
	}
	held := *out.held
	held.Wanted = a.level
	return fmt.Errorf("%w: %w", err, &held)
}

// claim has the caller, if it is about to try again, wait in the queue until it is
// alone before it comes in. Less than EXCLUSIVE would not do, even if all that it
// lacked was RESERVED: a process may be at RESERVED only once its connection, at
// SHARED, looked for a journal that a crash left, since readers beside it take that
// journal for one in use. Who is not about to try again may come to read, and needs
// no more than SHARED. The caller holds mu.
func (a *attempt) claim() { a.p.claim = !a.exhausted() }

// exhausted reports whether the caller does not want to wait any more. It is
// asked without mu, since it may block.
func (a *attempt) exhausted() bool {
	if a.over {
		return true
	}
	if a.again != nil {
		a.p.c.mu.Unlock()
		more := a.again()
		a.p.c.mu.Lock()
		a.over = !more
		return a.over
	}
	a.over = true
	return true
}

// wait blocks until something changed, ctx ended or a tick went by. The caller
// holds mu; it is given up meanwhile.
func (a *attempt) wait(ctx context.Context) {
	c := a.p.c
	changed := c.changed
	c.mu.Unlock()
	defer c.mu.Lock()
	timer := time.NewTimer(tick)
	defer timer.Stop()
	select {
	case <-changed:
	case <-ctx.Done():
	case <-timer.C:
	}
}
