package locking

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// A keeper is the one goroutine of a [Coordinator] that talks to the register.
// What it knows of the register is its own; what the places need it asks for
// under the coordinator's mutex, which it never holds during an operation.
type keeper struct {
	c *Coordinator

	session  *session // the one that the fields below speak of
	known    *view    // latest look at the register; nil if it cannot be relied on
	looked   instant  // when that was
	pending  *write   // a swap whose outcome is unknown
	sent     instant  // when the latest swap was sent, whatever became of it
	landed   instant  // when the latest swap that took effect was sent: our heartbeat
	beat     uint64   // of our entry by that swap; 0 if it took us out of the record
	granted  instant  // when the present turn began: the level was raised, other than from a writing one
	observer observer

	asked   instant            // until then nobody was kept waiting
	yielded yielded            // for whom it stepped down last
	expired map[string]string  // holders found expired, and why
	ghosts  map[string]instant // former selves that may still be in the record, and when each last sent a swap
	horizon horizon

	setbacks int // steps in a row that did not work, other than because somebody was quicker

	copying *copying // the copy that this session makes; nil if it makes none
	sweep   *sweep   // the removal of what nobody needs any more that was begun last; nil if none was
}

// never stands for "until kicked".
const never = time.Hour

func newKeeper(c *Coordinator) *keeper {
	return &keeper{c: c, session: c.session, ghosts: make(map[string]instant), looked: now(), sent: now(), landed: now(), granted: now(), asked: now()}
}

// run keeps the place in the register until the coordinator was closed and all
// was given up, or ctx ends.
func (k *keeper) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		wait, done := k.turn(ctx)
		if done {
			return
		}
		timer.Reset(wait)
		select {
		case <-k.c.kick:
		case <-timer.C:
		case <-ctx.Done():
			k.notReleased(context.Cause(ctx))
			return
		}
	}
}

// turn looks once at what the places need and what the register says, and does
// at most one swap. It returns when to look again.
func (k *keeper) turn(ctx context.Context) (wait time.Duration, done bool) {
	in := k.c.gather()
	k.follow(in.session)
	if in.idle() && k.pending == nil {
		k.glance()
		return never, in.closing
	}
	err := k.step(ctx, &in)
	switch {
	case err == nil:
		k.setBack(nil)
		return k.rest(&in), false
	case errors.Is(err, ErrConflict):
		// Somebody else was quicker; the next look tells. Not at once again: the others
		// try as well.
		return rand.N(soon), false
	case errors.Is(err, ErrDoubt):
		return k.setBack(err), false // and the next look tells
	}
	k.c.publish(outcome{attempt: in.attempt, err: err})
	if in.closing && permanent(err) {
		k.notReleased(err)
		return 0, true
	}
	return max(k.setBack(err), k.c.opts.Poll), false
}

// soon is a moment in which others have a chance.
const soon = 5 * time.Millisecond

// setBack takes note of a step that did not work, or of one that did, and returns how
// long to leave the register alone: a moment at first, then twice as long each time, up to
// a few polls, and never quite as long as the others who were set back with us.
func (k *keeper) setBack(err error) time.Duration {
	if err == nil {
		k.session.setback.Store(nil)
		k.setbacks = 0
		return 0
	}
	k.session.setback.Store(&err)
	const most = 8 // polls
	wait := min(soon<<min(k.setbacks, 20), most*k.c.opts.Poll)
	k.setbacks++
	return wait/2 + rand.N(wait/2+1)
}

// follow goes over to the session in force. The former one may still be in the
// record, and what it wrote last may still be on its way.
func (k *keeper) follow(s *session) {
	if s == k.session {
		return
	}
	k.ghosts[k.session.self.ID] = k.sent
	k.copying.abandon()
	k.copying = nil
	k.session, k.pending, k.known, k.beat, k.horizon = s, nil, nil, 0, horizon{}
}

// retired reports whether the session was lost since the turn began. What was planned for it
// was planned without its places, which may write until they learn of that: nothing is given
// up in its name.
func (k *keeper) retired() bool {
	k.c.mu.Lock()
	defer k.c.mu.Unlock()
	return k.c.session != k.session
}

// step is one look and at most one swap.
func (k *keeper) step(ctx context.Context, in *intent) error {
	looked, err := k.look(ctx, in)
	if err != nil {
		return err
	}
	p := k.plan(in)
	if p.held != nil && in.fresh && !looked {
		// Nobody is told no by an old look.
		k.known = nil
		if _, err = k.look(ctx, in); err != nil {
			return err
		}
		p = k.plan(in)
	}
	if k.retired() {
		return nil // the next turn follows
	}
	if p.held != nil || !p.swap {
		k.c.publish(p.outcome(in))
	}
	if !p.swap {
		return nil
	}
	return k.swap(ctx, in, p)
}
