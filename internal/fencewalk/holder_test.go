package fencewalk

import (
	"math/bits"

	"github.com/holdfastdb/holdfast/locking"
)

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

	pcs // how many there are
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
		if w.room && s.seats[i].sub == 0 && i != fresh {
			w.tidy(s, i, emit)
		}
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
	if s.reg.used != original && s.marker != 0 && !w.without.RegisterKnown {
		n := *s
		n.seats[i].pc = refused
		emit(&n, i, "is refused: the register is unused, and there is a marker", 0)
		return
	}
	others := s.reg.others(i)
	if w.without.EvictFirst && others != 0 {
		n := *s
		seat := &n.seats[i]
		seat.pc, seat.sub, seat.name = copying, 0, s.reg.file
		seat.to, _ = w.newName(s, i)
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
	name, ok := w.newName(s, i)
	if !ok {
		return
	}
	req := request{level: level, expired: expired, nonce: name}
	if !w.swap(&n, i, req) {
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
	w.inDoubt(s, &n, i, req, emit)
}

// newName returns a name that nothing speaks of. A walk in which names are kept until
// they are removed is bounded: ok is false if one more would leave too few for who
// shows that somebody can go on.
func (w *walk) newName(s *state, i int) (name uint8, ok bool) {
	if w.without.NamePerCopier {
		return 1, true
	}
	taken := 1 | 1<<s.reg.file | 1<<s.reg.to | s.reg.old
	for _, o := range s.ops {
		if o.own != 0 && o.byPath() {
			taken |= 1 << o.on
		}
	}
	for i := range s.seats {
		seat := &s.seats[i]
		taken |= 1<<seat.name | 1<<seat.to
		if seat.pc == removing || seat.pc == telling {
			taken |= 1 << seat.sub
		}
	}
	for n := range s.dir {
		if s.dir[n] != (names{}) {
			taken |= 1 << n
		}
	}
	free := ^taken
	if i != fresh && bits.OnesCount8(free) < 2 {
		return 0, false
	}
	return uint8(bits.TrailingZeros8(free)), free != 0
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
	seat.log, seat.pc, seat.why, seat.flags, seat.cache = d.journal, undoing, toRecover, 0, page
	pages, p0, p1 := n.node(d.journal).restores()
	if pages&1 != 0 {
		n.issue(op{own: uint8(i + 1), kind: opPage, on: d.db, page: 0, val: p0})
	}
	if pages&2 != 0 {
		n.issue(op{own: uint8(i + 1), kind: opPage, on: d.db, page: 1, val: p1})
		seat.cache = p1
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
	w.tidy(s, i, emit)
	w.settleDown(s, i, emit)
	w.release(s, i, emit)
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
