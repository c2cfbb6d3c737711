package fencewalk

import "github.com/holdfastdb/holdfast/locking"

// Where the program of a seat stands.
const (
	idle       = iota
	opening    // it was let in, and opens the file
	ready      // between transactions
	journaling // it wrote the records of its journal
	heading    // it wrote the header
	paging     // it wrote the pages
	spilling   // it wrote one page, early
	undoing    // it wrote back what the journal says
	zeroing    // it zeroed the header of the journal
	verifying  // it finished, and looks whether it is still in
	removing   // it removes a name; sub
	telling    // it tells the register that a name is gone; sub
	copying    // sub is the step
	publishing // the copy is durable
	reading    // it read one page
	looking    // it read both pages, and looks whether it is still in
	leaving    // it asked to leave, and does not know the outcome
	refused    // the register is unused beside a marker: for a person to look at
	lost

	// With a WAL.
	salting     // it wrote the header of the WAL
	framing     // it wrote frames
	committing  // they are synced, and it looks whether it is still in
	writingBack // it wrote the pages that the WAL holds to the database
)

// Why a journal is finished.
const (
	toCommit = 1 + iota
	toRollBack
	toRecover
)

// An emitter is told of a move of seat i. In the text %h stands for a history and
// %n for a name.
type emitter func(n *state, i int, text string, v uint8)

// program makes every move that seat i can make by itself.
func (w *walk) program(s *state, i int, emit emitter) {
	switch s.seats[i].pc {
	case idle:
		w.enter(s, i, emit)
	case opening:
		w.open(s, i, emit)
	case ready:
		w.fromReady(s, i, emit)
	case journaling:
		w.head(s, i, emit)
	case heading:
		w.page(s, i, emit)
	case paging, spilling, undoing:
		w.permit(s, i, emit)
		w.afterPages(s, i, emit)
	case zeroing:
		n := *s
		if n.synced(i, n.seats[i].log) {
			n.finished(w, i)
			emit(&n, i, "the zeroed header is synced", 0)
		}
	case verifying:
		w.verify(s, i, emit)
	case removing:
		w.remove(s, i, emit)
	case telling:
		w.tell(s, i, emit)
	case copying:
		w.copyStep(s, i, emit)
		if w.readers && i != fresh {
			w.giveUp(s, i, emit)
		}
	case publishing:
		w.publish(s, i, emit)
	case reading, looking:
		w.read(s, i, emit)
	case leaving:
		w.leaveAgain(s, i, emit)
	case lost:
		w.startAgain(s, i, emit)
	case salting, framing, committing, writingBack:
		w.walProgram(s, i, emit)
	}
}

// enter asks the register to be let in.
func (w *walk) enter(s *state, i int, emit emitter) {
	if s.reg.used == 0 && s.marker != 0 && !w.without.RegisterKnown {
		n := *s
		n.seats[i].pc = refused
		emit(&n, i, "is refused: the register is unused, and there is a marker", 0)
		return
	}
	others := s.reg.others(i)
	if w.without.EvictFirst && others != 0 {
		n := *s
		seat := &n.seats[i]
		seat.pc, seat.sub, seat.name, seat.to = copying, 0, s.reg.file, w.newName(s)
		emit(&n, i, "begins to copy %n, and has evicted nobody", s.reg.file)
		return
	}
	levels := []locking.Level{locking.Exclusive}
	if w.readers && i != fresh {
		levels = []locking.Level{locking.Shared, locking.Exclusive}
	}
	for _, level := range levels {
		for expired := others; ; expired = (expired - 1) & others {
			w.enterAt(s, i, level, expired, emit)
			if expired == 0 {
				break
			}
		}
	}
}

func (w *walk) enterAt(s *state, i int, level locking.Level, expired uint8, emit emitter) {
	n := *s
	if !w.swap(&n, i, request{level: level, expired: expired, nonce: w.newName(s)}) {
		if n.reg.taken != s.reg.taken { // else: whoever waits is another walk's concern
			emit(&n, i, "evicts, and has to wait", 0)
		}
		return
	}
	n.marker = 1
	seat := &n.seats[i]
	seat.name, seat.pc = n.reg.file, opening
	if int(n.reg.by) == i+1 {
		seat.pc, seat.sub, seat.to = copying, 0, n.reg.to
	}
	text := "is let in"
	if level == locking.Shared {
		text = "is let in to read"
	}
	if expired != 0 {
		text += ", having evicted"
	}
	if seat.pc == copying {
		text += ", and sets out to copy to %n"
	}
	emit(&n, i, text, seat.to)
	w.inDoubt(s, &n, i, request{level: level, expired: expired, nonce: w.newName(s)}, emit)
}

// newName returns a name that nothing speaks of.
func (w *walk) newName(s *state) uint8 {
	if w.without.NamePerCopier {
		return 1
	}
	var taken uint8
	taken |= 1 | 1<<s.reg.file | 1<<s.reg.to | s.reg.old
	for _, o := range s.ops {
		if o.own != 0 && o.byPath() {
			taken |= 1 << o.on
		}
	}
	for i := range s.seats {
		taken |= 1<<s.seats[i].name | 1<<s.seats[i].to
	}
	for n := range s.dir {
		if s.dir[n] != (names{}) {
			taken |= 1 << n
		}
	}
	for n := range uint8(maxNames) {
		if taken&(1<<n) == 0 {
			return n
		}
	}
	panic("more names than maxNames")
}

// open opens the file that the record named, and plays back a hot journal.
func (w *walk) open(s *state, i int, emit emitter) {
	if w.wal {
		w.openWAL(s, i, emit)
		return
	}
	n := *s
	seat := &n.seats[i]
	d := n.dir[seat.name]
	if d.db == 0 {
		if s.in(i) {
			n.bad = missing
		}
		n.drop(i)
		emit(&n, i, "opens %n, which is not there", seat.name)
		return
	}
	seat.db = d.db
	page := n.node(d.db).a
	if w.readers && seat.level < uint8(locking.Exclusive) {
		seat.flags = 0
		if d.journal != 0 && n.node(d.journal).a != 0 {
			w.openHot(&n, i, emit)
		} else {
			w.readFirst(&n, i, emit)
		}
		return
	}
	if d.journal == 0 || n.node(d.journal).a == 0 {
		if !(w.without.DropCaches && seat.flags&caching != 0 && counter(page) == counter(seat.cache)) {
			seat.cache = page
		}
		seat.flags = 0
		seat.pc = ready
		emit(&n, i, "opens the file and reads %h", seat.cache)
		return
	}
	j := *n.node(d.journal)
	seat.log, seat.pc, seat.why, seat.flags, seat.cache = d.journal, undoing, toRecover, 0, page
	if j.a == j.b {
		seat.cache = j.c
		n.issuePages(uint8(i+1), d.db, j.c, j.c)
	}
	emit(&n, i, "opens the file, and plays back a hot journal: %h", seat.cache)
}

// fromReady makes the moves that are possible between transactions.
func (w *walk) fromReady(s *state, i int, emit emitter) {
	if i == fresh {
		return
	}
	if w.without.PermissionAfter {
		w.permit(s, i, emit)
	}
	if int(s.begun) < w.begins {
		if w.wal {
			w.beginWAL(s, i, emit)
		} else {
			w.begin(s, i, emit)
		}
	}
	if w.wal {
		w.closeWAL(s, i, emit)
	}
	if w.readers {
		w.beginToRead(s, i, emit)
	}
	if w.clean || w.settle || w.without.OwnNamesOnly {
		w.tidy(s, i, emit)
	}
	w.release(s, i, emit)
}

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
	if w.halves {
		n.issue(op{own: uint8(i + 1), kind: opRecords, on: seat.log, val: garbage, nonce: n.begun})
	}
	n.issue(op{own: uint8(i + 1), kind: opRecords, on: seat.log, val: seat.cache, nonce: n.begun})
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

// head writes the journal's header, once its records are synced.
func (w *walk) head(s *state, i int, emit emitter) {
	n := *s
	seat := &n.seats[i]
	if !n.synced(i, seat.log) {
		return
	}
	n.issue(op{own: uint8(i + 1), kind: opHeader, on: seat.log, nonce: seat.next & 3})
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
	seat.pc, seat.why = paging, toCommit
	synced := n
	n.issuePages(uint8(i+1), seat.db, seat.next, seat.next)
	emit(&n, i, "the journal is synced; writes the pages: %h", seat.next)
	if w.rollback {
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

// afterPages goes on when the pages are synced.
func (w *walk) afterPages(s *state, i int, emit emitter) {
	n := *s
	seat := &n.seats[i]
	if w.reopen && seat.why != toRecover {
		n := n
		n.seats[i] = newSeat()
		n.seats[i].pc, n.seats[i].level, n.seats[i].name = opening, seat.level, seat.name
		emit(&n, i, "breaks off; another connection of the process takes its place", 0)
	}
	if seat.pc == spilling {
		n.issue(op{own: uint8(i + 1), kind: opPage, on: seat.db, page: 1, val: seat.cache})
		seat.pc, seat.why = undoing, toRollBack
		emit(&n, i, "rolls back: writes back the page: %h", seat.cache)
		return
	}
	if !n.synced(i, seat.db) || !w.permitted(seat) || w.without.JournalSynced && !n.synced(i, seat.log) {
		return
	}
	why := map[uint8]string{toCommit: "commits", toRollBack: "rolls back", toRecover: "played back"}[seat.why]
	synced := n
	switch w.journal {
	case unlinked:
		n.dir[seat.name].journal = 0
		n.finished(w, i)
		emit(&n, i, why+": unlinks the journal", 0)
		if w.doubt {
			w.leave(&synced, i, op{kind: opUnlink, on: seat.name}, emit)
		}
	case truncated:
		n.run(op{kind: opTruncate, on: seat.log})
		n.finished(w, i)
		emit(&n, i, why+": truncates the journal", 0)
		if w.doubt {
			w.leave(&synced, i, op{kind: opTruncate, on: seat.log}, emit)
		}
	case zeroed:
		n.issue(op{own: uint8(i + 1), kind: opZero, on: seat.log})
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

// release leaves the record. Whatever it wrote is synced.
func (w *walk) release(s *state, i int, emit emitter) {
	if !s.quiet(i) {
		return
	}
	n := *s
	if !s.in(i) {
		n.drop(i)
		emit(&n, i, "wants to leave, and finds that it is out", 0)
		return
	}
	n.leaveRecord(w, i)
	emit(&n, i, "leaves the record", 0)
	w.inDoubt(s, &n, i, request{level: locking.None}, emit)
}

func (n *state) leaveRecord(w *walk, i int) {
	w.swap(n, i, request{level: locking.None})
	n.reset(w, i)
}

// reset makes a seat idle. Its connection lives on, with what it cached.
func (n *state) reset(w *walk, i int) {
	old := n.seats[i]
	n.seats[i] = seat{}
	if w.without.DropCaches {
		n.seats[i].cache, n.seats[i].flags = old.cache, caching
	}
}

// drop ends a connection whose lease is lost. What it wrote may still be in flight.
func (n *state) drop(i int) {
	n.seats[i].pc = lost
}

// startAgain: a process whose lease is lost is as good as dead, and canonical lets
// another one take its seat. With comeback it is the process itself that comes back.
func (w *walk) startAgain(s *state, i int, emit emitter) {
	if !w.comeback || s.reg.find(i) != nil || !s.quiet(i) {
		return
	}
	n := *s
	was := s.seats[i]
	n.seats[i] = seat{cache: was.cache, flags: caching}
	if was.next != 0 {
		n.seats[i].cache = was.next // it went into the cache before the doubt
	}
	if w.without.LostStaysLost && w.swap(&n, i, request{level: locking.Exclusive}) && n.reg.by == 0 {
		n.seats[i].name, n.seats[i].db, n.seats[i].pc = was.name, was.db, ready
	}
	emit(&n, i, "comes back, with what it cached: %h", n.seats[i].cache)
}

// leave has seat i give up on an operation by path, which stays in flight. It may
// have taken effect already, once.
func (w *walk) leave(s *state, i int, o op, emit emitter) {
	o.own = ghost
	n := *s
	n.issue(o)
	again := n
	again.run(o)
	for k := range again.ops {
		if again.ops[k] == o {
			again.ops[k].ran = 1
		}
	}
	for _, n := range []state{n, again} {
		if n == again && !w.twice {
			continue
		}
		clean := n
		n.drop(i)
		emit(&n, i, "gets no reply from the storage, and is in doubt; later: "+landings[o.kind], 0)
		if w.without.DoubtIsLoss && clean.in(i) {
			clean.leaveRecord(w, i)
			emit(&clean, i, "gets no reply from the storage, and leaves the record; later: "+landings[o.kind], 0)
		}
	}
}
