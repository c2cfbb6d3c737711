package fencewalk

import "github.com/holdfastdb/holdfast/locking"

// With readers, a seat comes in at SHARED, climbs to RESERVED for its journal and to
// EXCLUSIVE for its pages, and steps down again.

// openHot: whoever finds a journal asks for EXCLUSIVE to play it back, unless
// somebody writes and it is his.
func (w *walk) openHot(s *state, i int, emit emitter) {
	for _, e := range s.reg.entries {
		if int(e.who) != i+1 && locking.Level(e.level).Writing() {
			w.readFirst(s, i, emit)
			return
		}
	}
	n := *s
	if !s.in(i) {
		n.drop(i)
		emit(&n, i, "finds a journal, and that it is out", 0)
		return
	}
	if name, ok := w.newName(s, i); ok && w.swap(&n, i, request{level: locking.Exclusive, nonce: name}) {
		n.setOut(i)
		emit(&n, i, "finds a journal, and is alone", 0)
	}
}

// setOut has a seat that came to EXCLUSIVE copy the database, if that is what it
// was let in for.
func (n *state) setOut(i int) bool {
	if int(n.reg.by) != i+1 {
		return false
	}
	seat := &n.seats[i]
	*seat = seat.again(n.reg.to)
	seat.name = n.reg.file
	return true
}

// readFirst reads the first of two pages, and read the second. What a reader read
// counts if a look at the register that began afterwards shows it in.
func (w *walk) readFirst(s *state, i int, emit emitter) {
	n := *s
	seat := &n.seats[i]
	seat.cache, seat.saw, seat.pc = n.node(seat.db).a, s.acked, reading
	emit(&n, i, "reads a page: %h", seat.cache)
}

func (w *walk) read(s *state, i int, emit emitter) {
	n := *s
	seat := &n.seats[i]
	if seat.pc == reading {
		seat.next, seat.pc = n.node(seat.db).b, looking
		emit(&n, i, "reads the other page: %h", seat.next)
		return
	}
	if !s.in(i) {
		n.drop(i)
		emit(&n, i, "sees in the register that it is out: what it read counts for nothing", 0)
		return
	}
	if seat.cache != seat.next || seat.cache == garbage || !follows(seat.cache, seat.saw) {
		n.bad = misread
	}
	seat.next, seat.saw, seat.pc = 0, 0, ready
	emit(&n, i, "sees in the register that it is in: it has read %h", seat.cache)
}

// beginToRead makes the moves between levels that a seat makes between transactions.
func (w *walk) beginToRead(s *state, i int, emit emitter) {
	n := *s
	seat := &n.seats[i]
	if seat.level == uint8(locking.Shared) {
		seat.pc = opening
		emit(&n, i, "begins to read", 0)
		return
	}
	if s.in(i) && s.quiet(i) {
		w.swap(&n, i, request{level: locking.Shared})
		emit(&n, i, "steps down to SHARED", 0)
	}
}

// reserve climbs to a level to write at. Others may be found expired by the way.
func (w *walk) reserve(s *state, i int, emit emitter, then func(n *state)) {
	if !s.in(i) {
		n := *s
		n.drop(i)
		emit(&n, i, "asks to write, and finds that it is out", 0)
		return
	}
	for _, expired := range []uint8{0, s.reg.others(i)} {
		n := *s
		name, ok := w.newName(s, i)
		if !ok {
			return
		}
		granted := w.swap(&n, i, request{level: locking.Reserved, expired: expired, nonce: name})
		switch {
		case n.setOut(i):
			emit(&n, i, "asks to write, and sets out to copy to %n", n.reg.to)
		case granted:
			then(&n)
		case n.reg.taken != s.reg.taken:
			emit(&n, i, "asks to write, evicts, and has to wait", 0)
		}
		if s.reg.others(i) == 0 {
			return
		}
	}
}

// exclude climbs to EXCLUSIVE, once the journal is synced, and reports whether it is there.
func (w *walk) exclude(s *state, i int, emit emitter) bool {
	if s.seats[i].level == uint8(locking.Exclusive) {
		return true
	}
	n := *s
	if !s.in(i) {
		n.drop(i)
		emit(&n, i, "asks for EXCLUSIVE, and finds that it is out", 0)
		return false
	}
	w.swap(&n, i, request{level: locking.Exclusive})
	emit(&n, i, "asks for EXCLUSIVE", 0)
	n = *s
	n.seats[i].pc, n.seats[i].why = undoing, toRollBack
	emit(&n, i, "rolls back before it wrote a page", 0)
	return false
}

// giveUp has a copier step down before it is done.
func (w *walk) giveUp(s *state, i int, emit emitter) {
	if s.in(i) && s.quiet(i) {
		n := *s
		n.leaveRecord(w, i)
		emit(&n, i, "copy: gives up, and leaves the record", 0)
	}
}
