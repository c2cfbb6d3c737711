package locking

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// An Adopter is a [Locker] that can be told which file is the database when its
// register does not know. It is meant for a command that an operator gives.
type Adopter interface {
	Locker

	// Adopt makes the file of that base name the database; "" is the plain name. The
	// epochs go on above the one given, which is to be the highest in the names of
	// files beside the database. Whoever opens the database first copies it, since a
	// holder that the register forgot may still write.
	//
	// If somebody is in the record, it waits to see whether that one expires, and
	// returns a [*HeldError] if not. A record that is damaged tells of nobody, and is
	// replaced; one that a newer version wrote is not, and is [ErrRecord].
	Adopt(ctx context.Context, file string, above Epoch) (Current, error)
}

var _ Adopter = (*Coordinator)(nil)

// Adopt implements [Adopter].
func (c *Coordinator) Adopt(ctx context.Context, file string, above Epoch) (Current, error) {
	if !c.fenced() {
		return Current{}, errors.New("locking: adopt: without a fence there is nothing to adopt")
	}
	r, version, err := c.unheld(ctx)
	if err != nil {
		return Current{}, fmt.Errorf("locking: adopt: %w", err)
	}
	database := c.opts.Storage.Name()
	next := Record{
		Format:   RecordFormat,
		Serial:   r.Serial + 1,
		Epoch:    max(r.Epoch, above) + 1,
		ID:       newID(), // not the one of before: whoever still goes by that must notice
		Database: database,
		Fence:    true,
		File:     file,
		Takeover: &Takeover{From: Self(), Since: time.Now().UTC()},
	}
	if err := next.validate(); err != nil {
		return Current{}, fmt.Errorf("locking: adopt %q: %w", file, err)
	}
	value, err := next.Encode()
	if err != nil {
		return Current{}, err
	}
	op, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	if _, err := c.reg.CompareAndSwap(op, version, value); err != nil {
		return Current{}, fmt.Errorf("locking: adopt: %w", err)
	}
	return Current{Register: next.ID, File: file}, nil
}

// unheld reads the register and makes sure that nobody alive is in its record. What
// is no record at all counts as an empty one: that is why it is to be replaced. A record
// that a newer version can read is one.
func (c *Coordinator) unheld(ctx context.Context) (Record, Version, error) {
	seen := observer{}
	for {
		op, cancel := context.WithTimeout(ctx, c.opts.Timeout)
		began := now()
		value, version, err := c.reg.Read(op)
		cancel()
		if err != nil {
			return Record{}, "", err
		}
		r, err := DecodeRecord(value)
		switch {
		case errors.Is(err, errNewer):
			return Record{}, version, err
		case err != nil:
			return Record{}, version, nil
		}
		for i := range r.Entries {
			e := &r.Entries[i]
			if s, known := seen.seen[e.Holder.ID]; known && s.beat != e.Beat {
				return r, version, heldBy(e, Exclusive, r.Epoch) // it is alive
			}
		}
		if len(seen.observe(&view{r, version, began}, "")) == len(r.Entries) {
			return r, version, nil
		}
		select {
		case <-time.After(max(seen.next(), c.opts.Poll)): // one may have expired, and not the others
		case <-ctx.Done():
			return r, version, context.Cause(ctx)
		}
	}
}
