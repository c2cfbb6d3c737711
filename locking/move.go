package locking

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync/atomic"
)

// A copying is one copy of the database, in the background. Its methods may be
// called on nil, which is none.
type copying struct {
	from, to string
	plain    bool // to is the plain name, the only one that will do
	began    instant
	cancel   context.CancelFunc
	done     chan struct{}
	err      error // settled when done is closed

	copied, total atomic.Int64
}

// copy begins to copy the database.
func (c *Coordinator) copy(from, to string) *copying {
	ctx, cancel := context.WithCancel(c.life)
	w := &copying{from: from, to: to, plain: to == c.opts.Storage.Name(), began: now(), cancel: cancel, done: make(chan struct{})}
	c.routines.Go(func() {
		defer cancel()
		w.err = c.opts.Storage.Copy(ctx, from, to, func(copied, total int64) {
			w.copied.Store(copied)
			w.total.Store(total)
		})
		close(w.done)
		c.wake()
	})
	return w
}

// abandon has it end soon.
func (w *copying) abandon() {
	if w != nil {
		w.cancel()
	}
}

func (w *copying) ended() bool {
	if w == nil {
		return false
	}
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}

// spoilt reports, of one that ended, whether it is to be made anew by another name.
func (w *copying) spoilt() bool {
	// A request that was sent twice finds what the first one created.
	return !w.plain && (errors.Is(w.err, ErrMoved) || errors.Is(w.err, fs.ErrExist))
}

// failure returns why the copy cannot be made.
func (w *copying) failure() error {
	if !w.ended() || w.err == nil || w.spoilt() {
		return nil
	}
	return fmt.Errorf("locking: copy %q to %q: %w", w.from, w.to, w.err)
}

// A sweep is the removal of files that nobody needs any more.
type sweep struct {
	names []string
	done  chan struct{}
	began instant
	gone  []string // settled when done is closed
}

func (c *Coordinator) sweep(names []string) *sweep {
	w := &sweep{names: names, done: make(chan struct{}), began: now()}
	c.routines.Go(func() {
		for _, name := range names {
			if err := c.opts.Storage.Remove(c.life, name); err != nil {
				c.opts.Log.Warn("old copy of a database not removed", "lock", c.name(), "file", name, "err", err)
				continue
			}
			w.gone = append(w.gone, name)
		}
		close(w.done)
		c.wake()
	})
	return w
}

func (w *sweep) running() bool {
	if w == nil {
		return false
	}
	select {
	case <-w.done:
		return false
	default:
		return true
	}
}

// fencing is what a step tells the record.
func (k *keeper) fencing(in *intent) *Fencing {
	if !k.c.fenced() {
		return nil
	}
	// The ID is drawn anew each time: should the register be deleted, nobody may bring
	// back its former one.
	f := &Fencing{Database: k.c.opts.Storage.Name(), ID: newID(), Nonce: newID()[:8]}
	if w := k.copying; w != nil {
		f.Copied, f.Total = w.copied.Load(), w.total.Load()
		switch {
		case !w.ended():
		case w.err == nil:
			f.Done = w.to
		case w.spoilt(), in.settling != nil:
			f.Spoilt = w.to
		}
	}
	if k.sweep != nil && !k.sweep.running() {
		f.Removed = k.sweep.gone
	}
	if w := in.settling; w != nil && k.copying == nil {
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
// plain name is gone; but that can take long: an NFS server first asks a client that it
// cannot reach to give the file back.
func (k *keeper) busy() bool {
	if k.c.closing {
		k.copying.abandon()
	}
	return k.copying != nil && k.copying.failure() == nil ||
		k.sweep.running() && k.sweep.began.elapsed() < k.c.opts.Timeout/2
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
		k.copying = c.copy(from, t.To)
	case t.Total > 0:
		c.opts.Log.Info("copying a database", "lock", c.name(), "copy", t.To, "bytes", t.Copied, "of", t.Total)
	}
}

// cleanUp removes the files that the record says nobody needs, once for each list.
func (k *keeper) cleanUp(r *Record) {
	if !k.c.fenced() || k.session.level != Exclusive {
		return
	}
	names := slices.Clone(r.Old)
	if r.Removing != nil && r.File != "" {
		names = append(names, r.Database)
	}
	if len(names) > 0 && (k.sweep == nil || !slices.Equal(names, k.sweep.names)) && !k.sweep.running() {
		k.sweep = k.c.sweep(names)
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

// String tells people what a takeover has come to.
func (t *Takeover) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v may still write to the database, so it must be copied before it is used", t.From)
	if t.To != "" {
		fmt.Fprintf(&b, " (to %s", t.To)
		if t.Total > 0 {
			const mb = 1 << 20
			fmt.Fprintf(&b, ", %.1f of %.1f MB so far", float64(t.Copied)/mb, float64(t.Total)/mb)
		}
		b.WriteString(")")
	}
	return b.String()
}
