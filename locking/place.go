package locking

import (
	"context"
	"fmt"
	"time"
)

// tick is how often a waiting place asks whether it should go on.
const tick = 10 * time.Millisecond

// A place is the [Lock] of one connection in a [Coordinator].
type place struct {
	c *Coordinator

	// The fields are written by the place's own goroutine with Coordinator.mu
	// held, and read by others with it.
	session *session // in which level was granted; nil at None; stays once it is lost
	level   Level
	sole    bool   // keeps other processes out at any level
	claim   bool   // it comes in next only where nobody else is in: an earlier climb failed because somebody was
	kept    bool   // it came in so, and has not climbed since
	late    bool   // it came in while others asked: it may not climb past them
	wrote   bool   // it has climbed since it came in last
	want    Level  // what the process must hold for this place to go on; None if it does not wait
	queue   bool   // want may be queued for
	since   uint64 // first attempt of the keeper that knows of want
	failed  error  // why the database that it waited for could not be copied

	nextSole bool // becomes sole when next leaving None
	closed   bool
}

var _ SoleLock = (*place)(nil)

// SetSole implements [SoleLock].
func (p *place) SetSole(sole bool) { p.nextSole = sole }

// Level implements [Lock].
func (p *place) Level() Level { return p.level }

// Check implements [Lock].
func (p *place) Check() error {
	if p.session == nil {
		return nil
	}
	return p.session.check()
}

// Epoch implements [Lock].
func (p *place) Epoch() Epoch {
	if p.session == nil {
		return 0
	}
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	return p.session.epoch
}

// Changes implements [Lock].
func (p *place) Changes() uint64 {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	return p.c.changes
}

// Unlock implements [Lock].
func (p *place) Unlock(level Level) error {
	c := p.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if level > Shared {
		return fmt.Errorf("locking: unlock to %v is not a move of SQLite's", level)
	}
	if level >= p.level {
		return nil
	}
	p.level = level
	lost := p.session.check() != nil
	if level == None && !lost {
		// A lost session stays with its place, which so is dead for good.
		p.session, p.sole, p.kept = nil, false, false
	}
	c.used = now()
	c.broadcast()
	if lost || c.stepsDownNow() {
		c.wake()
	}
	return nil
}

// stepsDownNow reports whether the keeper has reason to act before its next
// look, now that a place gave something up. The caller holds mu.
func (c *Coordinator) stepsDownNow() bool {
	s, held := c.session, c.held()
	return held < s.level && (s.door < s.level || // somebody asks
		c.opts.Idle < 0 && held == None || // nothing is kept
		s.level < Exclusive && s.level.Writing()) // RESERVED and PENDING are not kept
}

// Close implements [Lock].
func (p *place) Close() error {
	err := p.Unlock(None)
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	p.closed = true
	delete(p.c.places, p)
	return err
}

// need returns the level that the process must hold for what the place holds.
func (p *place) need() Level {
	switch {
	case p.level != None && (p.sole || p.kept):
		return Exclusive
	case p.level == Pending && p.want != Exclusive:
		return Reserved // it only keeps new readers of this process out
	}
	return p.level
}

// Reserved implements [Lock]. It asks the register only if another process
// could be at RESERVED.
func (p *place) Reserved(ctx context.Context) (bool, error) {
	c := p.c
	c.mu.Lock()
	s := c.current()
	for q := range c.places {
		if q.session == s && q.level.Writing() {
			c.mu.Unlock()
			return true, nil
		}
	}
	self, alone := s.self.ID, s.level.Writing()
	c.mu.Unlock()
	if alone {
		return false, nil
	}
	rec, err := c.ask(ctx)
	if err != nil {
		return false, err
	}
	return rec.writes(self), nil
}

// Lock implements [Lock].
func (p *place) Lock(ctx context.Context, level Level, again func() bool) error {
	c := p.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if level <= p.level {
		return p.Check()
	}
	if err := p.legal(level); err != nil {
		return err
	}
	a := attempt{p: p, level: level, again: again, start: time.Now()}
	p.failed = nil
	defer p.stopWaiting()
	for {
		if err := p.usable(); err != nil {
			return a.ended(err)
		}
		if p.failed != nil {
			return p.failed
		}
		held := p.grant(level)
		if p.level == level {
			return nil
		}
		if err := context.Cause(ctx); err != nil {
			return a.ended(err)
		}
		if err := a.giveUp(held); err != nil {
			return err
		}
		a.wait(ctx)
	}
}

// usable returns why the place cannot go on, if it cannot. The caller holds mu.
func (p *place) usable() error {
	switch {
	case p.closed || p.c.closing:
		return ErrClosed
	case p.Check() != nil:
		return p.Check()
	}
	return nil
}

// legal refuses moves that SQLite never makes.
func (p *place) legal(level Level) error {
	ok := false
	switch level {
	case Shared:
		ok = p.level == None
	case Reserved:
		ok = p.level == Shared
	case Exclusive:
		ok = p.level >= Shared
	}
	if !ok {
		return fmt.Errorf("locking: lock from %v to %v is not a move of SQLite's", p.level, level)
	}
	return nil
}

// grant moves the place to level if nobody is in the way, here or elsewhere. It
// returns the place of this process that is, if one is. Otherwise the keeper is
// asked for what the process lacks. The caller holds mu.
func (p *place) grant(level Level) (held *HeldError) {
	c := p.c
	s := c.current()
	if level == Exclusive && p.level == Reserved {
		p.level = Pending
	}
	if q := c.localBlocker(p, level); q != nil {
		return &HeldError{Holder: s.self, Level: q.level, Wanted: level, Epoch: s.epoch}
	}
	need := level
	if p.level == None {
		if p.claim || p.nextSole || p.wrote { // who wrote is likely to write again
			need = Exclusive
		}
	} else if p.sole {
		need = Exclusive
	}
	limit := s.limit
	switch {
	case p.level == None:
		limit = min(limit, s.door)
	case p.level == Shared && p.late && s.door < s.level:
		limit = min(limit, Shared)
	}
	if s.moving {
		limit = p.level
	}
	if limit < need {
		p.demand(need, level)
		return nil
	}
	if p.level == None {
		p.session, p.sole, p.kept, p.claim = s, p.nextSole, p.claim, false
		p.late, p.wrote = s.door < s.level, false
	}
	if level.Writing() {
		p.wrote = true
		p.kept = false // from here on others may read beside it
	}
	p.level = level
	return nil
}

// demand asks the keeper for a level of the process. The caller holds mu.
func (p *place) demand(need, level Level) {
	if p.want == need {
		return
	}
	p.want = need
	p.queue = !(p.level == Shared && level == Reserved)
	p.since = p.c.attempts + 1
	p.c.wake()
}

// stopWaiting takes back what was demanded. The caller holds mu.
func (p *place) stopWaiting() {
	if p.want == None {
		return
	}
	p.want = None
	p.c.wake()
}

// localBlocker returns the place of this process that keeps p from a level, by
// SQLite's own table. The caller holds mu.
func (c *Coordinator) localBlocker(p *place, level Level) *place {
	for q := range c.places {
		if q != p && q.session == c.session && conflict(level, q.level) {
			return q
		}
	}
	return nil
}

// held returns the level that the process must keep for its places. The caller
// holds mu.
func (c *Coordinator) held() Level {
	held := None
	for p := range c.places {
		if p.session == c.session {
			held = max(held, p.need())
		}
	}
	return held
}
