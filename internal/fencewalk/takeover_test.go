package fencewalk

import (
	"github.com/holdfastdb/holdfast/internal/fence"
	"github.com/holdfastdb/holdfast/locking"
)

// steps returns the order of the takeover's steps: that of the real one, unless a
// rule about it is not in force.
func (w *walk) copySteps() []fence.Step {
	if w.order != nil {
		return w.order
	}
	steps := append([]fence.Step(nil), fence.Steps[:]...)
	if w.without.JournalAfter {
		steps = []fence.Step{fence.MarkBefore, fence.JournalHeaders, fence.JournalRecords, fence.WAL, fence.Database, fence.MarkAfter, fence.Durable}
	}
	if w.without.HeaderFirst {
		for k, s := range steps {
			switch s {
			case fence.JournalHeaders:
				steps[k] = fence.JournalRecords
			case fence.JournalRecords:
				steps[k] = fence.JournalHeaders
			}
		}
	}
	// What a scenario has no use for only makes it larger.
	for _, s := range steps {
		switch s {
		case fence.JournalHeaders, fence.JournalRecords:
			if w.wal {
				continue
			}
		case fence.WAL:
			if !w.wal {
				continue
			}
		}
		w.order = append(w.order, s)
	}
	return w.order
}

// copyStep takes the next step of a takeover.
func (w *walk) copyStep(s *state, i int, emit emitter) {
	n := *s
	seat := &n.seats[i]
	step := w.copySteps()[seat.sub]
	if step == fence.MarkBefore {
		seat.db = n.dir[seat.name].db
		if seat.db == 0 {
			if s.in(i) {
				n.bad = missing
			}
			n.drop(i)
			emit(&n, i, "copies %n, which is not there", seat.name)
			return
		}
	}
	d := n.dir[seat.name]
	if step != fence.WAL {
		seat.sub++
	}
	switch step {
	case fence.MarkBefore:
		seat.mark = n.mark(seat.name)
		emit(&n, i, "copy: looks at the journal and the WAL, before", 0)
	case fence.Database:
		w.copyPages(s, i, emit)
	case fence.JournalHeaders:
		if d.journal != 0 && n.node(d.journal).a != 0 {
			seat.copied.log.copyHeaders(n.node(d.journal))
		}
		emit(&n, i, "copy: the header of the journal", 0)
	case fence.JournalRecords:
		if d.journal != 0 && (seat.copied.log.kind != 0 || w.without.HeaderFirst) {
			seat.copied.log.copyRecords(n.node(d.journal))
		}
		emit(&n, i, "copy: the records of the journal: %h", seat.copied.log.c)
	case fence.WAL:
		w.copyWAL(&n, i, emit)
	case fence.MarkAfter:
		w.markAfter(&n, i, emit)
	case fence.Durable:
		n.makeDurable(w, i)
		seat.pc = publishing
		emit(&n, i, "copy: is durable", 0)
	}
}

// copyPages reads one page of the two, in either order.
func (w *walk) copyPages(s *state, i int, emit emitter) {
	read := func(page uint8, next bool) {
		n := *s
		seat := &n.seats[i]
		in := n.node(seat.db)
		seat.copied.page[page] = in.a
		if page == 1 {
			seat.copied.page[1] = in.b
		}
		seat.log = 1 - seat.log
		if next {
			seat.sub++
			seat.db, seat.log = 0, 0
			seat.flags = 0
		} else if page == 1 {
			seat.flags |= second
		}
		emit(&n, i, "copy: reads a page: %h", seat.copied.page[page])
	}
	switch seat := &s.seats[i]; {
	case seat.log == 0:
		read(0, false)
		if w.anyOrder {
			read(1, false)
		}
	case seat.flags&second != 0:
		read(0, true)
	default:
		read(1, true)
	}
}

// mark looks at what is beside a database.
func (s *state) mark(name uint8) (m mark) {
	d := s.dir[name]
	if d.journal != 0 {
		m.journal, m.header = 1, s.node(d.journal).a
	}
	if d.wal != 0 {
		m.wal, m.salt = 1, s.node(d.wal).a
	}
	return m
}

// real returns the mark that the comparison takes. That inodes are numbered is not
// relied on, since some file systems do not tell, and others use numbers again.
func (m mark) real() (out fence.Mark) {
	out.Journal.There, out.WAL.There = m.journal != 0, m.wal != 0
	out.Journal.Header[0], out.WAL.Header[0] = m.header, m.salt
	return out
}

// markAfter looks again. If the copy is worth nothing, the next one gets another name.
func (w *walk) markAfter(n *state, i int, emit emitter) {
	seat := &n.seats[i]
	before, after := seat.mark, n.mark(seat.name)
	if w.without.MarkIdentity {
		before.header, after.header = min(before.header, 1), min(after.header, 1)
	}
	spoilt := before.real().Spoilt(after.real())
	if !spoilt || w.without.MarkAgain || w.without.WALMarkAfter {
		seat.mark = mark{}
		if seat.to == plain && n.dir[plain].db != 0 {
			w.cannotSettle(n, i, emit)
			return
		}
		if !w.without.NamePerCopier { // then nobody else can see the difference
			n.makeDurable(w, i)
			seat.pc = publishing
		}
		emit(n, i, "copy: looks again, and it is good", 0)
		return
	}
	w.spoil(n, i, emit)
}

func (w *walk) spoil(n *state, i int, emit emitter) {
	seat := &n.seats[i]
	if !n.in(i) && !w.without.EvictFirst {
		n.drop(i)
		emit(n, i, "copy: is worth nothing, and it is out", 0)
		return
	}
	left, to := seat.copied, seat.to
	if !w.without.EvictFirst {
		nonce, ok := w.newName(n, i)
		if !ok {
			return
		}
		if w.without.NamePerAttempt {
			nonce = to
		}
		w.swap(n, i, request{level: locking.Exclusive, spoilt: to + 1, nonce: nonce})
		to = n.reg.to
	}
	if w.without.NamePerAttempt {
		if n.dir[to].db == 0 {
			n.dir[to].db = n.create(inode{kind: aDB, a: garbage, b: garbage})
		}
		n.issuePages(ghost, n.dir[to].db, left.page[0], left.page[1]) // the server goes on copying
	}
	*seat = seat.again(to)
	emit(n, i, "copy: is worth nothing; begins anew, to %n", to)
}

// again is a copier that begins anew.
func (s seat) again(to uint8) seat {
	return seat{pc: copying, level: s.level, name: s.name, to: to, cache: s.cache, flags: s.flags & caching}
}

// makeDurable puts the copy under its name.
func (n *state) makeDurable(w *walk, i int) {
	seat := &n.seats[i]
	c, d := seat.copied, &n.dir[seat.to]
	in := inode{kind: aDB, a: c.page[0], b: c.page[1]}
	if w.without.CopyDurable {
		in.a, in.b = garbage, garbage
	}
	if d.db != 0 {
		*n.node(d.db) = in
	} else {
		d.db = n.create(in)
	}
	if w.without.CopyDurable {
		n.issuePages(uint8(i+1), d.db, c.page[0], c.page[1])
	}
	d.journal, d.wal = 0, 0
	switch c.log.kind {
	case aJournal:
		d.journal = n.create(c.log)
	case aWAL:
		d.wal = n.create(c.log)
	}
	seat.copied = copied{}
}

// publish makes the copy the database.
func (w *walk) publish(s *state, i int, emit emitter) {
	n := *s
	seat := &n.seats[i]
	if w.without.EvictFirst {
		others := s.reg.others(i)
		if s.reg.file != seat.name || others == 0 {
			n.drop(i)
			emit(&n, i, "publishes, and finds that the record changed", 0)
			return
		}
		w.swap(&n, i, request{level: locking.Exclusive, expired: others, nonce: seat.to})
	} else if !s.in(i) {
		n.drop(i)
		emit(&n, i, "publishes, and finds that it is out", 0)
		return
	}
	req := request{level: locking.Exclusive, done: seat.to + 1}
	w.swap(&n, i, req)
	seat.name, seat.to, seat.pc, seat.sub = n.reg.file, 0, opening, 0
	emit(&n, i, "publishes: the database is %n now", n.reg.file)
	w.inDoubt(s, &n, i, req, emit)
}
