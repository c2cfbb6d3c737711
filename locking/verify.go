package locking

import (
	"context"
	"fmt"
	"time"
)

// Current implements [Locker]. It returns the register's error, or [ErrRecord].
func (c *Coordinator) Current(ctx context.Context) (Current, error) {
	r, err := c.ask(ctx)
	return Current{Register: r.ID, File: r.File}, err
}

// Current implements [Lock].
func (p *place) Current() Current {
	if p.session == nil {
		return Current{}
	}
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	return p.session.where
}

// Verify implements [Lock]. It reads the register until that succeeds, but does not
// wait for one answer for longer than [Options.Timeout].
func (p *place) Verify() error {
	s, c := p.session, p.c
	if s == nil {
		return nil
	}
	least := p.confirmed()
	bound, cancel := context.WithTimeout(c.life, s.ttl) // besides its deadline, should that clock stand still
	defer cancel()
	for {
		if err := s.check(); err != nil {
			return err
		}
		began := now()
		r, err := c.ask(bound)
		switch {
		case err == nil:
			if e := r.Find(s.self.ID); e == nil || e.Level < least {
				return c.abandon(s, whyGone(r), nil)
			}
			return s.check()
		case bound.Err() != nil, began.monotonic() >= c.opts.Timeout, permanent(err):
			return c.abandon(s, "it could not be verified", err)
		}
		select {
		case <-time.After(c.opts.Poll / 4):
		case <-bound.Done():
		}
	}
}

// confirmed returns the level that the record is known to give. A climb to EXCLUSIVE
// makes the place PENDING before the record says so.
func (p *place) confirmed() Level {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	if p.level == Pending {
		return Reserved
	}
	return p.level
}

// ask is read for whoever must go on even if the storage hangs in a call that
// cannot be interrupted. That goes on in the background, and Close tells of it.
func (c *Coordinator) ask(ctx context.Context) (Record, error) {
	op, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	var record Record
	var err error
	done := make(chan struct{})
	if !c.begin(func() {
		defer close(done)
		record, err = c.read(ctx)
	}) {
		return Record{}, ErrClosed
	}
	select {
	case <-done:
		return record, err
	case <-op.Done():
		if ctx.Err() != nil {
			return Record{}, context.Cause(ctx)
		}
		return Record{}, fmt.Errorf("%w within %v", ErrUnreachable, c.opts.Timeout)
	}
}

// begin runs f as one of the routines that Close waits for. It does not if the last
// of them may have ended.
func (c *Coordinator) begin(f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left {
		return false
	}
	c.routines.Go(f)
	return true
}

// Doubt implements [Lock]. Without a fence others need to wait for the lease to
// expire all the same, and nothing is gained.
func (p *place) Doubt(cause error) error {
	if p.session == nil || !p.c.fenced() {
		return nil
	}
	return p.c.abandon(p.session, "an operation has an unknown outcome", cause)
}

// abandon ends a session, and returns the error that says so.
func (c *Coordinator) abandon(s *session, why string, cause error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	lost := s.loseBy(why, cause)
	if c.session == s {
		c.retire(lost)
		c.wake()
	}
	return lost
}
