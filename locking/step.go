package locking

import (
	"slices"
	"time"
)

// A Request is what one holder asks of a [Record].
type Request struct {
	Holder  Holder        // who asks
	Level   Level         // where it wants to be, above or below where it is
	TTL     time.Duration // how long it stays if it falls silent
	Expired []string      // holders that the caller has seen expire, or knows to be dead
	Now     time.Time     // for people; decides nothing
	Fence   *Fencing      // how the holder keeps to the fence; nil if it does not
}

// An Answer is what became of a [Request].
type Answer struct {
	Level   Level    // what the holder holds now
	Blocker *Entry   // who was in the way first; nil if the request was granted
	Evicted []Holder // the expired that were removed
}

// Granted reports whether the holder is where it asked to be.
func (a Answer) Granted() bool { return a.Blocker == nil }

// Step is the one transition of a record. The holder asks to be at a level:
//
//	asked for          the outcome
//	below its own      it steps down; at NONE it leaves the record
//	its own            a heartbeat; it stops waiting
//	SHARED             granted unless somebody is at PENDING or above
//	RESERVED           granted unless somebody is at RESERVED or above;
//	                   whoever is all alone is given EXCLUSIVE instead
//	EXCLUSIVE          granted if nobody else holds anything; from RESERVED
//	                   it otherwise becomes PENDING
//
// A raise also has to respect those who came first. Nobody begins to write past
// anybody who waits, and nobody begins to read past who waits for all readers to
// leave. A holder that already writes may climb past the queue, since its
// transaction has to end before others can go on. What cannot be granted makes the
// holder wait, at the end of the queue or where it stands.
//
// A record that keeps to the fence remembers in Takeover that a holder of a writing
// level expired. Until the database was copied it gives nothing but EXCLUSIVE, to
// one that is all alone and thereby sets out to copy: see [Fencing].
//
// Every step is a heartbeat of its holder. Step does not change r; time never
// enters, since the caller says who has expired.
func (r *Record) Step(req Request) (Record, Answer) {
	next := r.clone()
	next.Format = RecordFormat
	next.Serial++
	next.settleFence(req)
	evicted := next.evict(req)

	i := next.index(req.Holder.ID)
	if i < 0 {
		next.Entries = append(next.Entries, Entry{Holder: req.Holder, Since: req.Now})
		i = len(next.Entries) - 1
	}
	was := next.Entries[i]
	blocker := next.move(i, req.Level)
	if i = next.index(req.Holder.ID); i < 0 {
		next.fence(req, None)
		return next, Answer{Evicted: evicted}
	}
	e := &next.Entries[i]
	e.Holder, e.TTL, e.Renewed = req.Holder, req.TTL.Milliseconds(), req.Now
	e.Beat = next.Serial // not a count of its own, which would begin anew with each stay
	if e.Level != was.Level || e.Wants != was.Wants {
		e.Since = req.Now
	}
	if e.Level.Writing() && !was.Level.Writing() {
		next.Epoch++
	}
	next.fence(req, e.Level)
	return next, Answer{Level: e.Level, Blocker: blocker, Evicted: evicted}
}

// evict removes the expired, but never the one who asks.
func (r *Record) evict(req Request) (evicted []Holder) {
	r.Entries = slices.DeleteFunc(r.Entries, func(e Entry) bool {
		gone := e.Holder.ID != req.Holder.ID && slices.Contains(req.Expired, e.Holder.ID)
		if gone {
			evicted = append(evicted, e.Holder)
			if r.Fence && e.Level.Writing() {
				r.takeOver(e.Holder, req.Now)
			}
		}
		return gone
	})
	return evicted
}

// move brings entry i to a level, or into the queue for it, and returns who was
// in the way.
func (r *Record) move(i int, to Level) (blocker *Entry) {
	e := &r.Entries[i]
	if r.Takeover != nil && to > None && (to > e.Level || e.Level.Writing()) {
		to = Exclusive // nobody else may look at the file before it was copied, nor may who copies it
	}
	if to > e.Level {
		if blocker = r.blocker(i, to); blocker != nil {
			if to == Exclusive && e.Level == Reserved {
				e.Level = Pending
			}
			r.enqueue(i, to)
			return blocker
		}
	}
	if to == Reserved && e.Level < Reserved && len(r.Entries) == 1 {
		to = Exclusive
	}
	e.Level, e.Wants = to, None
	if to == None {
		r.Entries = slices.Delete(r.Entries, i, i+1)
	}
	return nil
}

// enqueue makes entry i wait. Who waits already keeps its place.
func (r *Record) enqueue(i int, wants Level) {
	e := r.Entries[i]
	waited := e.Waits()
	e.Wants = wants
	if waited {
		r.Entries[i] = e
		return
	}
	r.Entries = append(slices.Delete(r.Entries, i, i+1), e)
}

// blocker returns a copy of the first entry that keeps entry i from a level.
func (r *Record) blocker(i int, to Level) *Entry {
	self := &r.Entries[i]
	for j := range r.Entries {
		o := &r.Entries[j]
		first := !self.Waits() || j < i
		switch {
		case j == i:
		case conflict(to, o.Level),
			o.Waits() && first && !self.Level.Writing() && (to.Writing() || conflict(o.Wants, to)):
			found := *o
			return &found
		}
	}
	return nil
}

// conflict reports whether wanting a level is in vain while another holds one.
func conflict(wanted, held Level) bool {
	switch wanted {
	case Shared:
		return held >= Pending
	case Reserved, Pending:
		return held >= Reserved
	case Exclusive:
		return held >= Shared
	}
	return false
}

// Keep returns the highest level that a holder may keep without standing in the
// way of somebody who waits, and the first who does.
func (r *Record) Keep(id string) (Level, *Entry) {
	keep, asker := Exclusive, (*Entry)(nil)
	for i := range r.Entries {
		o := &r.Entries[i]
		if o.Holder.ID == id || !o.Waits() {
			continue
		}
		for keep > None && conflict(o.Wants, keep) {
			keep--
			asker = o
		}
	}
	return keep, asker
}
