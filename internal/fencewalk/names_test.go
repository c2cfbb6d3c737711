package fencewalk

import "github.com/holdfastdb/holdfast/locking"

// tidies reports whether names are removed at all.
func (w *walk) tidies() bool { return w.clean || w.settle || w.without.OwnNamesOnly }

// tidy sets out to remove names that nobody needs.
func (w *walk) tidy(s *state, i int, emit emitter) {
	if !w.tidies() || !s.in(i) && !w.without.OwnNamesOnly {
		return
	}
	set := s.reg.old
	if w.without.OwnNamesOnly {
		for name, d := range s.dir {
			if d != (names{}) && uint8(name) != s.seats[i].name && name != plain {
				set |= 1 << name
			}
		}
	}
	if w.settle && s.reg.removing != 0 && s.reg.file != plain {
		set |= 1 << plain
	}
	for name := range uint8(maxNames) {
		if set&(1<<name) != 0 {
			n := *s
			n.seats[i].pc, n.seats[i].sub = removing, name
			emit(&n, i, "sets out to remove %n", name)
		}
	}
}

// settleDown sets out to copy the database to its plain name.
func (w *walk) settleDown(s *state, i int, emit emitter) {
	n := *s
	if !w.settle || s.reg.file == plain || s.seats[i].level != uint8(locking.Exclusive) {
		return
	}
	if !s.in(i) || !s.quiet(i) || !w.without.EvictedGone && !s.goneFromPlain(i) {
		return
	}
	w.swap(&n, i, request{level: locking.Exclusive, settle: true})
	seat := &n.seats[i]
	if int(n.reg.by) != i+1 {
		return // refused
	}
	*seat = seat.again(plain)
	emit(&n, i, "settles: sets out to copy the database to its plain name", 0)
}

// goneFromPlain is what an operator has to see to before the plain name is used
// again: whoever was evicted from it is gone for good.
func (s *state) goneFromPlain(but int) bool {
	for i := range s.seats {
		if seat := &s.seats[i]; i != but && seat.pc != idle && seat.pc != lost && seat.name == plain {
			return false
		}
	}
	for _, o := range s.ops {
		if o.kind == opCreate && o.on == plain || o.kind == opUnlink && o.on == plain {
			return false
		}
	}
	return true
}

// remove unlinks a name, at any later time.
func (w *walk) remove(s *state, i int, emit emitter) {
	n := *s
	name := n.seats[i].sub
	n.dir[name] = names{}
	n.seats[i].pc = telling
	emit(&n, i, "removes %n", name)
	if w.doubt {
		w.leave(s, i, op{kind: opUnlinkDB, on: name}, emit)
	}
}

// tell tells the register that a name is gone.
func (w *walk) tell(s *state, i int, emit emitter) {
	n := *s
	seat := &n.seats[i]
	if !s.in(i) {
		n.drop(i)
		emit(&n, i, "has removed %n, and finds that it is out", seat.sub)
		return
	}
	name := seat.sub
	w.swap(&n, i, request{level: locking.Level(seat.level), removed: 1 << name})
	seat.pc, seat.sub = ready, 0
	if int(n.reg.by) == i+1 {
		seat.pc = copying // it made room before it begins
	}
	emit(&n, i, "tells the register that %n is gone", name)
}

// cannotSettle: nothing by the name may be there.
func (w *walk) cannotSettle(n *state, i int, emit emitter) {
	if !n.in(i) {
		n.drop(i)
		emit(n, i, "cannot settle, and is out", 0)
		return
	}
	w.swap(n, i, request{level: locking.Exclusive, spoilt: plain + 1})
	seat := &n.seats[i]
	*seat = seat.again(0)
	seat.pc = opening
	emit(n, i, "cannot settle: the plain name is taken", 0)
}
