package locking

import (
	"cmp"
	"fmt"
	"slices"
)

// fencing is what a step tells the record.
func (k *keeper) fencing(in *intent) *Fencing {
	if !k.c.fenced() {
		return nil
	}
	// The ID is drawn anew each time: should the register be deleted, nobody may bring
	// back its former one.
	f := &Fencing{Database: k.c.opts.Storage.Name(), ID: newID(), Nonce: newID()[:8]}
	f.Removed = k.sweep.removed(k.known.record.File)
	if w := k.copying; w != nil {
		f.Copied, f.Total = w.copied.Load(), w.total.Load()
		switch {
		case !w.ended():
		case w.err == nil:
			f.Done = w.to
		case w.spoilt(), in.settling != nil:
			f.Spoilt = w.to
		}
		if w.ended() && w.removed {
			f.Removed = append(slices.Clone(f.Removed), w.to)
		}
	}
	if w := in.settling; w != nil && k.copying == nil && k.maySettle(w) {
		f.Settle, f.Force = true, w.force
	}
	return f
}

// wouldCopy reports whether by that plan the session sets out to copy.
func (k *keeper) wouldCopy(p *plan) bool {
	was, is := k.known.record.Takeover, p.next.Takeover
	self := k.session.self.ID
	return is != nil && is.By == self && (was == nil || was.By != self)
}

// shut lets nobody in from now on, if nobody is.
func (k *keeper) shut(in *intent) bool {
	c := k.c
	c.mu.Lock()
	defer c.mu.Unlock()
	for p := range c.places {
		if p.session == k.session && p.level != None && (in.settling == nil || p != in.settling.place) {
			return false
		}
	}
	k.session.limit = None
	return true
}

// busy reports whether the session has something to end before it steps down. For a
// removal it waits a little, since only who has not stepped down can say that the
// plain name is gone.
func (k *keeper) busy() bool {
	if k.c.closing {
		k.copying.abandon()
	}
	return k.copying != nil && k.copying.failure() == nil || k.sweep.left(k.c.opts.Timeout/2) > 0
}

// fenceMoves reports whether a plan changes what the record says of files.
func (k *keeper) fenceMoves(p *plan) bool {
	was, is := &k.known.record, &p.next
	if (was.Takeover == nil) != (is.Takeover == nil) || (was.Removing == nil) != (is.Removing == nil) ||
		was.File != is.File || len(was.Old) != len(is.Old) {
		return true
	}
	return was.Takeover != nil && (was.Takeover.By != is.Takeover.By || was.Takeover.To != is.Takeover.To)
}

// move brings the session in line with what the record says of files. The caller
// holds Coordinator.mu.
func (k *keeper) move(r *Record) {
	c, s, t := k.c, k.session, r.Takeover
	moving := t != nil && t.By == s.self.ID
	if s.moving && !moving {
		c.changes++
		k.tellMoved(r)
	}
	s.moving, s.where = moving, Current{Register: r.ID, File: r.File}
	switch {
	case !moving:
		k.copying = nil
		k.cleanUp(r)
	case k.copying == nil || k.copying.to != t.To:
		from := cmp.Or(r.File, r.Database)
		c.opts.Log.Warn("taking a database over", "lock", c.name(), "from", t.From.String(), "file", from, "copy", t.To)
		k.cleanUp(r) // what others left when they crashed may be in the way
		k.copying = c.copy(from, t.To, k.sweep)
	case t.Total > 0:
		c.opts.Log.Info("copying a database", "lock", c.name(), "copy", t.To, "bytes", t.Copied, "of", t.Total)
	}
}

func (k *keeper) tellMoved(r *Record) {
	w, log := k.copying, k.c.opts.Log
	switch {
	case w == nil:
	case cmp.Or(r.File, r.Database) == w.to:
		log.Warn("database taken over", "lock", k.c.name(), "file", w.to, "bytes", w.copied.Load(), "took", w.began.elapsed())
	default:
		log.Warn("database not taken over", "lock", k.c.name(), "file", w.from, "err", w.err)
	}
}

// agrees refuses a record of another database, or of holders that do not keep to
// the fence as this one does.
func (k *keeper) agrees(r *Record) error {
	storage := k.c.opts.Storage
	if storage != nil && r.Database != "" && r.Database != storage.Name() {
		return fmt.Errorf("%w: it belongs to the database %q: give each database a lock of its own, or, if this one was renamed, run holdfast adopt", ErrRecord, r.Database)
	}
	for i := range r.Entries {
		if e := &r.Entries[i]; e.Holder.ID != k.session.self.ID && r.Fence != (storage != nil) {
			setting := map[bool]string{true: "on", false: "off"}
			return fmt.Errorf("%w: %v has the database open with fence=%s: use the same here", ErrRecord, e.Holder, setting[r.Fence])
		}
	}
	return nil
}
