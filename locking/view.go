package locking

import (
	"context"
	"fmt"
	"maps"
	"slices"
)

// A view is what the register held at one moment.
type view struct {
	record  Record
	version Version
	began   instant // when the operation that told it was begun
}

// look reads the register unless what is known is recent enough, and brings the
// session in line with it. A swap from a state that is not true any more fails,
// so only being asked and waiting need new looks. It returns [ErrConflict] if the
// session is lost by what it saw.
func (k *keeper) look(ctx context.Context, in *intent) (looked bool, err error) {
	if err := k.overhear(); err != nil {
		return false, err
	}
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
	record, err := k.c.decode(value, version)
	if err != nil {
		return false, err
	}
	if err := k.agrees(&record); err != nil {
		return false, fmt.Errorf("%s: %w", k.c.name(), err)
	}
	k.learn(&view{record, version, began})
	return true, k.settle()
}

// overhear takes note of what a verification read, if that is later than what is
// known: whoever commits all the time looks often enough by that.
func (k *keeper) overhear() error {
	v := k.c.seen.Swap(nil)
	if v == nil || k.known == nil || k.pending != nil || v.began.since(k.looked) <= 0 {
		return nil
	}
	if err := k.agrees(&v.record); err != nil {
		return nil // the next look says so
	}
	k.learn(v)
	k.looked = v.began
	return k.settle()
}

// glance takes note of who was in when somebody here read the register, while there is
// no other reason to look: whoever opens a database may be waiting for a file that an
// unreachable holder has open, and that holder's time runs out meanwhile.
func (k *keeper) glance() {
	if v := k.c.seen.Swap(nil); v != nil {
		k.observer.observe(v, k.session.self.ID)
	}
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
		if k.c.fenced() || v.began.since(sent) >= k.c.opts.TTL {
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
			k.c.retire(s.lose(whyGone(k.known.record)))
			return ErrConflict
		}
	}
	if k.pending == nil {
		s.limit = s.level
	}
	return nil
}

// whyGone says why a record that a session was in has no entry of it.
func whyGone(r Record) string {
	if r.Serial == 0 {
		return "its register was removed"
	}
	return "another process took it over"
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
	if level > s.level && (!s.level.Writing() || level == Exclusive) {
		k.granted = now() // what it waited at PENDING for readers to leave is not part of its turn
		s.door = level    // until the next look at who asks
	}
	if level == None && s.level != None && c.fenced() {
		c.routines.Go(c.opts.Storage.LetGo)
	}
	s.level, s.limit, s.epoch = level, level, k.known.record.Epoch
	s.door = min(s.door, level) // a renewal lets nobody in before the one who asks
	k.move(&k.known.record)
	c.broadcast()
	return nil
}

// living returns the known record without those found expired.
func (k *keeper) living() *Record {
	if len(k.expired) == 0 {
		return &k.known.record
	}
	r := k.known.record.clone()
	r.evict(Request{Holder: k.session.self, Expired: slices.Collect(maps.Keys(k.expired))})
	return &r
}
