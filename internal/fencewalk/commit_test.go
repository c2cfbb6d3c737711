package fencewalk

import "github.com/holdfastdb/holdfast/locking"

// A transaction with a rollback journal, from its beginning to where it is
// acknowledged or rolled back.

// begin creates the journal and writes its records.
func (w *walk) begin(s *state, i int, emit emitter) {
	if w.readers && s.seats[i].level < uint8(locking.Reserved) {
		w.reserve(s, i, emit, func(n *state) { w.beginAt(n, i, emit) })
		return
	}
	w.beginAt(s, i, emit)
}

// beginAt begins a transaction at a level that allows it.
func (w *walk) beginAt(s *state, i int, emit emitter) {
	n := *s
	seat := &n.seats[i]
	n.begun++
	seat.next = appended(seat.cache, n.begun)
	if !w.without.PermissionAfter {
		seat.flags &^= permitted
	}
	d := &n.dir[seat.name]
	if d.journal == 0 {
		d.journal = n.create(inode{kind: aJournal})
	}
	seat.log, seat.pc = d.journal, journaling
	segment := uint8(whole)
	if w.segments {
		segment = firstOfTwo
	}
	w.record(&n, i, segment)
	if w.without.JournalSynced {
		n.issue(op{own: uint8(i + 1), kind: opHeader, on: seat.log, nonce: n.begun})
		n.issuePages(uint8(i+1), seat.db, seat.next, seat.next)
		seat.why, seat.pc = toCommit, paging
	}
	emit(&n, i, "begins a transaction: creates its journal, writes its records", 0)
	if w.doubt {
		w.leave(s, i, op{kind: opCreate, on: seat.name}, emit)
	}
}

// record writes the records of a segment of the journal.
func (w *walk) record(n *state, i int, segment uint8) {
	seat := &n.seats[i]
	seat.sub = segment
	o := op{own: uint8(i + 1), kind: opRecords, on: seat.log, page: segment, val: garbage, nonce: seat.next & 3}
	if w.halves {
		n.issue(o)
	}
	o.val = seat.cache
	n.issue(o)
}

// head writes the journal's header, once its records are synced.
func (w *walk) head(s *state, i int, emit emitter) {
	n := *s
	seat := &n.seats[i]
	if !n.synced(i, seat.log) {
		return
	}
	n.issue(op{own: uint8(i + 1), kind: opHeader, on: seat.log, page: seat.sub, nonce: seat.next & 3})
	seat.pc = heading
	emit(&n, i, "the records are synced; writes the journal's header", 0)
}

// page writes the pages, once the journal is synced.
func (w *walk) page(s *state, i int, emit emitter) {
	n := *s
	if !n.synced(i, n.seats[i].log) {
		return
	}
	if w.readers && !w.exclude(&n, i, emit) {
		return
	}
	seat := &n.seats[i]
	synced := n
	seat.pc, seat.why = paging, toCommit
	switch seat.sub {
	case whole:
		n.issuePages(uint8(i+1), seat.db, seat.next, seat.next)
		emit(&n, i, "the journal is synced; writes the pages: %h", seat.next)
	case secondOfTwo:
		seat.sub = 0
		n.issue(op{own: uint8(i + 1), kind: opPage, on: seat.db, page: 0, val: seat.next})
		emit(&n, i, "the journal is synced; writes the other page: %h", seat.next)
		return
	}
	if w.rollback || w.segments {
		n := synced
		n.seats[i].pc = spilling
		n.issue(op{own: uint8(i + 1), kind: opPage, on: seat.db, page: 1, val: seat.next})
		emit(&n, i, "the journal is synced; spills a page: %h", seat.next)
	}
}

// permit is the register read without which no journal is finished.
func (w *walk) permit(s *state, i int, emit emitter) {
	seat := &s.seats[i]
	if w.without.Permission || seat.flags&permitted != 0 {
		return
	}
	n := *s
	if s.in(i) {
		n.seats[i].flags |= permitted
		emit(&n, i, "sees in the register that it may finish a journal", 0)
	} else if seat.pc != ready {
		n.drop(i)
		emit(&n, i, "sees in the register that it is out, before it finishes its journal", 0)
	}
}

func (w *walk) permitted(seat *seat) bool {
	return seat.flags&permitted != 0 || w.without.Permission ||
		seat.why == toRollBack && w.without.PermitRollback || seat.why == toRecover && w.without.PermitRecovery
}

// afterPages goes on when pages were written.
func (w *walk) afterPages(s *state, i int, emit emitter) {
	if w.reopen && s.seats[i].why != toRecover {
		w.breakOff(s, i, emit)
	}
	if s.seats[i].pc == spilling {
		w.afterSpill(s, i, emit)
		return
	}
	n := *s
	seat := &n.seats[i]
	if n.synced(i, seat.db) && w.permitted(seat) && (!w.without.JournalSynced || n.synced(i, seat.log)) {
		w.finish(&n, i, emit)
	}
}

// breakOff has another connection of the process take the place of the one that is
// in the middle of a transaction. It knows nothing of that, and finds a hot journal.
func (w *walk) breakOff(s *state, i int, emit emitter) {
	n := *s
	was := s.seats[i]
	n.seats[i] = newSeat()
	n.seats[i].pc, n.seats[i].level, n.seats[i].name = opening, was.level, was.name
	emit(&n, i, "breaks off; another connection of the process takes its place", 0)
}

// afterSpill goes on with a transaction that wrote one of its pages early.
func (w *walk) afterSpill(s *state, i int, emit emitter) {
	if w.segments {
		n := *s
		n.seats[i].pc = journaling
		w.record(&n, i, secondOfTwo)
		emit(&n, i, "writes the record of the other page, in a new segment of the journal", 0)
	}
	if w.rollback {
		n := *s
		seat := &n.seats[i]
		n.issue(op{own: uint8(i + 1), kind: opPage, on: seat.db, page: 1, val: seat.cache})
		seat.pc, seat.why, seat.sub = undoing, toRollBack, 0
		emit(&n, i, "rolls back: writes back the page: %h", seat.cache)
	}
}

// finish finishes the journal: the pages are synced, and there is permission.
func (w *walk) finish(s *state, i int, emit emitter) {
	n := *s
	seat, was := &n.seats[i], s.seats[i]
	why := map[uint8]string{toCommit: "commits", toRollBack: "rolls back", toRecover: "played back"}[was.why]
	switch w.journal {
	case unlinked:
		n.dir[was.name].journal = 0
		n.finished(w, i)
		emit(&n, i, why+": unlinks the journal", 0)
		if w.doubt {
			w.leave(s, i, op{kind: opUnlink, on: was.name}, emit)
		}
		if w.stubborn {
			n.issue(op{own: ghost, kind: opUnlink, on: was.name, ran: 1})
			emit(&n, i, why+": unlinks the journal, which happens again later", 0)
		}
	case truncated:
		n.run(op{kind: opTruncate, on: was.log})
		n.finished(w, i)
		emit(&n, i, why+": truncates the journal", 0)
		if w.doubt {
			w.leave(s, i, op{kind: opTruncate, on: was.log}, emit)
		}
	case zeroed:
		n.issue(op{own: uint8(i + 1), kind: opZero, on: was.log})
		seat.pc = zeroing
		if w.without.FinishFirst {
			n.finished(w, i)
		}
		emit(&n, i, why+": zeroes the header of the journal", 0)
	}
}

// finished goes on after the journal was finished.
func (n *state) finished(w *walk, i int) {
	seat := &n.seats[i]
	seat.flags = 0
	switch seat.why {
	case toCommit:
		seat.pc = verifying
		if w.without.Verify {
			n.acknowledge(i)
		}
	case toRollBack:
		n.undone |= 1 << (seat.next & 3)
		seat.next, seat.pc = 0, ready
	case toRecover:
		seat.pc = ready
	}
	seat.why, seat.log = 0, 0
}

func (n *state) acknowledge(i int) {
	seat := &n.seats[i]
	if !follows(seat.next, n.acked) {
		n.bad = overwrote
	}
	n.acked = seat.next
	seat.cache, seat.next, seat.pc = seat.next, 0, ready
}

// verify is the register read without which no commit is acknowledged.
func (w *walk) verify(s *state, i int, emit emitter) {
	n := *s
	if !s.in(i) {
		n.drop(i)
		emit(&n, i, "sees in the register that it is out: the commit is in doubt", 0)
		return
	}
	n.acknowledge(i)
	emit(&n, i, "sees in the register that it is in: acknowledges %h", n.acked)
}
