package locking

import (
	"context"
	"errors"
)

// A write is a swap that was sent, or several from one version after doubt: any
// one of them may take effect.
type write struct {
	from   Version
	sent   instant // the first of them
	leaves bool    // one of them takes us out of the record
}

// swap writes what was planned.
func (k *keeper) swap(ctx context.Context, in *intent, p plan) error {
	s := k.session
	limit := MaxRecord
	if k.known.record.Find(s.self.ID) == nil && p.next.Find(s.self.ID) != nil {
		limit = roomToEnter
	}
	value, err := p.next.encode(limit)
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
		k.c.timed(k.sent.monotonic())
		k.pending = nil
		k.c.decoded.Store(&view{record: p.next, version: version})
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
