package fencewalk

import "github.com/holdfastdb/holdfast/locking"

// A process may get no reply, from the storage or from the register.
//
// A swap of the register that is in doubt may have taken effect, or do so later, but
// only as long as nobody else swapped, since no two values of the register are alike. Whoever asked to come in or to publish asks again, and the
// record does not change by that. So what matters is the swap that leaves.

// inDoubt has seat i get no reply for the swap that led from s to n.
func (w *walk) inDoubt(s, n *state, i int, req request, emit emitter) {
	if !w.doubt || i == fresh {
		return
	}
	if req.level != locking.None {
		m := *s
		m.setRegister(w, n.reg)
		m.marker = n.marker
		emit(&m, i, "gets no reply from the register, which has taken its swap", 0)
		return
	}
	m := *n
	m.seats[i] = s.seats[i]
	m.seats[i].pc = leaving
	emit(&m, i, "gets no reply from the register, which has let it leave", 0)
	m = *s
	m.seats[i].pc, m.seats[i].late = leaving, 1
	emit(&m, i, "gets no reply from the register, which may let it leave later", 0)
}

// leave again asks to leave until that is certain.
func (w *walk) leaveAgain(s *state, i int, emit emitter) {
	n := *s
	n.leaveRecord(w, i)
	emit(&n, i, "leaves the record, now for certain", 0)
	if w.without.StepDownInDoubt && s.in(i) {
		n := *s
		n.seats[i].pc = ready
		emit(&n, i, "sees in the register that it is still in, and goes on", 0)
	}
}

// landSwaps lets swaps in flight take effect.
func (w *walk) landSwaps(s *state, emit emitter) {
	for i := range w.holders {
		if s.seats[i].late == 0 {
			continue
		}
		n := *s
		seat := n.seats[i]
		w.swap(&n, i, request{level: locking.None})
		seat.late = 0
		n.seats[i] = seat
		emit(&n, i, "~ the swap that leaves the record takes effect", 0)
	}
}

// leave has seat i give up on an operation by path, which stays in flight. It may
// have taken effect already, once. The walk is bounded: of such operations there are
// at most two.
func (w *walk) leave(s *state, i int, o op, emit emitter) {
	o.own = ghost
	left := 0
	for k := range s.ops {
		if s.ops[k].own == ghost && s.ops[k].byPath() {
			left++
		}
	}
	if left == 2 {
		return
	}
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
