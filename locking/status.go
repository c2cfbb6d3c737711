package locking

import (
	"context"
	"slices"
	"time"
)

// Status reads the register and tells who is in the record. Ages and times to
// expiry compare the holders' clocks with ours: they are for people. It returns
// the register's error, or [ErrRecord].
func (c *Coordinator) Status(ctx context.Context) (Status, error) {
	s := Status{Grade: c.Grade(), Lock: c.name(), TTL: c.opts.TTL}
	r, err := c.ask(ctx)
	if err != nil {
		return s, err
	}
	s.Register, s.Database, s.File, s.Epoch = r.ID, r.Database, r.File, r.Epoch
	s.Takeover, s.Old, s.Removing = r.Takeover, r.Old, r.Removing
	for i := range r.Entries {
		e := &r.Entries[i]
		if e.Level != None {
			s.Holders = append(s.Holders, e.status(e.Level))
		}
		if e.Waits() {
			s.Waiters = append(s.Waiters, e.status(e.Wants))
		}
	}
	slices.SortStableFunc(s.Holders, func(a, b StatusEntry) int { return int(b.Level) - int(a.Level) })
	return s, nil
}

func (e *Entry) status(level Level) StatusEntry {
	ttl := time.Duration(e.TTL) * time.Millisecond
	return StatusEntry{
		Holder:  e.Holder,
		Level:   level,
		Age:     max(0, time.Since(e.Since)),
		TTL:     ttl,
		Expires: min(ttl, max(0, ttl-time.Since(e.Renewed))),
		Dead:    e.Holder.Dead(),
	}
}
