package locking

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
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
	granted  instant  // when the level was last raised
	observer observer
	expired  map[string]string  // holders found expired, and why
	ghosts   map[string]instant // former selves that may still be in the record, and when each last sent a swap
	horizon  horizon
}

// A view is what the register held at one moment.
type view struct {
	record  Record
	version Version
	began   instant // when the operation that told it was begun
}

// A write is a swap that was sent, or several from one version after doubt: any
// one of them may take effect.
type write struct {
	from   Version
	sent   instant // the first of them
	leaves bool    // one of them takes us out of the record
}

// never stands for "until kicked".
const never = time.Hour

func newKeeper(c *Coordinator) *keeper {
	return &keeper{c: c, session: c.session, ghosts: make(map[string]instant), looked: now(), sent: now(), landed: now(), granted: now()}
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
			k.c.notReleased(context.Cause(ctx))
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
		return never, in.closing
	}
	err := k.step(ctx, &in)
	switch {
	case err == nil:
		return k.rest(&in), false
	case errors.Is(err, ErrConflict):
		// Somebody else was quicker. Not at once again: the others try as well.
		return rand.N(5 * time.Millisecond), false
	}
	k.c.publish(outcome{attempt: in.attempt, err: err})
	if in.closing && permanent(err) {
		k.c.notReleased(err)
		return 0, true
	}
	return k.c.opts.Poll, false
}

// follow goes over to the session in force. The former one may still be in the
// record, and what it wrote last may still be on its way.
func (k *keeper) follow(s *session) {
	if s == k.session {
		return
	}
	k.ghosts[k.session.self.ID] = k.sent
	k.session, k.pending, k.known, k.beat, k.horizon = s, nil, nil, 0, horizon{}
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
	if p.held != nil || !p.swap {
		k.c.publish(p.outcome(in))
	}
	if !p.swap {
		return nil
	}
	return k.swap(ctx, in, p)
}

// look reads the register unless what is known is recent enough, and brings the
// session in line with it. A swap from a state that is not true any more fails,
// so only being asked and waiting need new looks. It returns [ErrConflict] if the
// session is lost by what it saw.
func (k *keeper) look(ctx context.Context, in *intent) (looked bool, err error) {
	if !k.mustLook(in) {
		k.expired = k.observer.observe(k.known, k.session.self.ID)
		return false, nil
	}
	began := now()
	op, cancel := context.WithTimeout(ctx, k.c.opts.Timeout)
	defer cancel()
	value, version, err := k.c.reg.Read(op)
	if err != nil {
		return false, err // the backend says where and what
	}
	record, err := DecodeRecord(value)
	if err != nil {
		return false, fmt.Errorf("%s: %w", k.c.name(), err)
	}
	if record.File != "" {
		return false, fmt.Errorf("%s: %w: the database lies in %q, which only a newer holdfast can open; upgrade this program", k.c.name(), ErrRecord, record.File)
	}
	k.learn(&view{record, version, began})
	return true, k.settle()
}

func (k *keeper) mustLook(in *intent) bool {
	every := k.c.opts.Poll
	switch {
	case k.c.watching.works():
		every = k.c.opts.Renew
	case in.level < in.want:
		every /= 4
	}
	return k.c.watching.hinted() || k.known == nil || k.pending != nil || in.fresh && in.level == None ||
		k.looked.elapsed() >= every || k.observer.next() == 0
}

// learn takes note of what the register holds.
func (k *keeper) learn(v *view) {
	k.known = v
	k.looked = now()
	k.c.watching.follow(v.version)
	maps.DeleteFunc(k.ghosts, func(id string, _ instant) bool { return v.record.Find(id) == nil })
	k.expired = k.observer.observe(v, k.session.self.ID)
	for id, sent := range k.ghosts {
		// We know best when it fell silent.
		if v.began.since(sent) >= k.c.opts.TTL {
			if k.expired == nil {
				k.expired = make(map[string]string)
			}
			k.expired[id] = "it was this process, before a loss"
		}
	}
}

// settle brings the session in line with what a read showed.
func (k *keeper) settle() error {
	s, e := k.session, k.known.record.Find(k.session.self.ID)
	if w := k.pending; w != nil {
		switch {
		case e != nil && e.Beat != k.beat, e == nil && w.leaves:
			k.pending = nil
			return k.adopt(w.sent)
		case k.known.version != w.from:
			k.pending = nil // its predecessor is gone: it can never take effect
		}
	}
	k.c.mu.Lock()
	defer k.c.mu.Unlock()
	if k.c.session != s {
		return ErrConflict
	}
	if e == nil {
		s.in, k.beat = false, 0
		if s.level != None {
			k.c.retire(s.lose("another process took it over"))
			return ErrConflict
		}
	}
	if k.pending == nil {
		s.limit = s.level
	}
	return nil
}

// adopt takes over what the known record gives the session, by a write that was
// sent at sent. It returns [ErrConflict] if that came too late.
func (k *keeper) adopt(sent instant) error {
	c, s := k.c, k.session
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current() != s {
		return ErrConflict
	}
	k.landed, k.beat = sent, 0
	level, e := None, k.known.record.Find(s.self.ID)
	if e != nil {
		level, k.beat = e.Level, e.Beat
	}
	if held := c.held(); level < min(held, Reserved) || held == Exclusive && level < Exclusive {
		// It cannot be, and if it is, nobody may write on.
		c.retire(s.lose(fmt.Sprintf("the record gives %v where %v is in use", level, held)))
		return ErrConflict
	}
	if s.in = e != nil; level == None {
		s.renewed.Store(nil)
	} else {
		s.renewed.Store(&sent)
	}
	if k.horizon.move(&k.known.record, s.self.ID, s.level, level) {
		c.changes++
	}
	if level > s.level {
		k.granted = now()
	}
	s.level, s.limit, s.epoch = level, level, k.known.record.Epoch
	s.door = level // until the next look at who asks
	c.broadcast()
	return nil
}

// swap writes what was planned.
func (k *keeper) swap(ctx context.Context, in *intent, p plan) error {
	s := k.session
	value, err := p.next.Encode()
	if err != nil {
		k.undo()
		return err
	}
	k.sent = now()
	w := &write{from: k.known.version, sent: k.sent, leaves: p.next.Find(s.self.ID) == nil}
	if earlier := k.pending; earlier != nil {
		w.sent, w.leaves = earlier.sent, w.leaves || earlier.leaves
	}
	op, cancel := context.WithTimeout(ctx, k.c.opts.Timeout)
	version, err := k.c.reg.CompareAndSwap(op, w.from, value)
	cancel()
	switch {
	case err == nil:
		k.pending = nil
		k.tellEvicted(p.answer.Evicted)
		k.learn(&view{p.next, version, k.sent})
		if err := k.adopt(k.sent); err != nil {
			return err
		}
		k.c.publish(p.outcome(in))
		return nil
	case errors.Is(err, ErrConflict):
		k.known = nil
		k.undo()
		return ErrConflict
	}
	// Whatever else it says, the swap may have taken effect, or may yet.
	k.known, k.pending = nil, w
	return err
}

// undo lifts a limit that was set for a step down that did not happen.
func (k *keeper) undo() {
	if k.pending != nil {
		return // an earlier one may have, or may yet
	}
	k.c.mu.Lock()
	defer k.c.mu.Unlock()
	k.session.limit = k.session.level
	k.c.broadcast()
}

func (k *keeper) tellEvicted(holders []Holder) {
	for _, h := range holders {
		k.c.opts.Log.Warn("database lock holder expired", "lock", k.c.name(), "holder", h.String(), "why", k.expired[h.ID])
	}
}

// living returns the known record without those found expired.
func (k *keeper) living() *Record {
	if len(k.expired) == 0 {
		return &k.known.record
	}
	r := k.known.record.clone()
	r.evict(k.session.self.ID, slices.Collect(maps.Keys(k.expired)))
	return &r
}
