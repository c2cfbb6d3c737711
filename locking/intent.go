package locking

import (
	"context"
	"fmt"
)

// An intent is what the places of this process need at one moment.
type intent struct {
	session  *session
	in       bool      // the record has an entry of this process
	level    Level     // what the process holds
	held     Level     // what its places need it to keep
	want     Level     // what they wait for; None if nobody does
	queue    bool      // somebody may wait in the queue for it
	fresh    bool      // somebody wants it since the last attempt
	attempt  uint64    // number of this attempt
	settling *settling // somebody asked to copy the database to its plain name
	closing  bool
	again    bool   // set by the plan: what the places want remains to be asked for
	first    *Entry // set by the plan: who asked for what the process holds, before whom no place comes in any more; nil if nobody did
}

// idle reports whether there is nothing to do with the register.
func (in *intent) idle() bool {
	return !in.in && in.want == None
}

// gather returns what the places need, and begins an attempt.
func (c *Coordinator) gather() intent {
	c.mu.Lock()
	defer c.mu.Unlock()
	in := intent{session: c.current(), held: c.held(), closing: c.closing, settling: c.settling}
	in.level, in.in = in.session.level, in.session.in
	c.attempts++
	in.attempt = c.attempts
	for p := range c.places {
		if p.want == None || c.closing {
			continue
		}
		in.want = max(in.want, p.want)
		in.queue = in.queue || p.queue
		in.fresh = in.fresh || p.since == in.attempt
	}
	return in
}

// want returns the highest level that a place waits for. The caller holds mu.
func (c *Coordinator) want() Level {
	want := None
	for p := range c.places {
		want = max(want, p.want)
	}
	return want
}

// publish tells the places what an attempt came to.
func (c *Coordinator) publish(out outcome) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.outcome = out
	if out.failed != nil {
		if c.settling != nil {
			c.settling.failed = out.failed
		}
		for p := range c.places {
			if p.want != None && p.since <= out.attempt {
				p.failed, p.want = out.failed, None // it is told before anybody tries again
			}
		}
	}
	c.broadcast()
}

// notReleased notes why a closing coordinator could not give up its lease, if it has one
// or may have.
func (k *keeper) notReleased(err error) {
	c := k.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session.in || k.pending != nil {
		c.released = releaseError(err, c.opts.TTL)
	}
}

// read returns the record by a fresh read, of which the keeper hears too.
func (c *Coordinator) read(ctx context.Context) (Record, error) {
	op, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	began := now()
	value, version, err := c.reg.Read(op)
	switch {
	case err != nil && ctx.Err() == nil:
		return Record{}, told(err)
	case err != nil:
		return Record{}, err
	}
	was := c.decoded.Load()
	record, err := c.decode(value, version)
	if err != nil {
		return Record{}, err
	}
	c.seen.Store(&view{record, version, began})
	if was == nil || was.version != version {
		c.wake() // somebody may have asked for what is held here
	}
	return record, nil
}

// decode reads a value, unless it is that of the version that was read last, as it
// is for whoever holds the lease and commits.
func (c *Coordinator) decode(value []byte, version Version) (Record, error) {
	if v := c.decoded.Load(); v != nil && v.version == version {
		return v.record, nil
	}
	record, err := DecodeRecord(value)
	if err == nil && len(value) == 0 && version != Unused {
		err = fmt.Errorf("%w: it was emptied; %s", ErrRecord, adoptRemedy)
	}
	if err != nil {
		return Record{}, fmt.Errorf("%s: %w", c.name(), err)
	}
	c.decoded.Store(&view{record: record, version: version})
	return record, nil
}
