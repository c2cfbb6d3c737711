package fencewalk

import "github.com/holdfastdb/holdfast/locking"

// A swap of the register may be in doubt: no reply came. It may have taken effect,
// or do so later, but only as long as nobody else swapped, since no two values of
// the register are alike. Whoever asked to come in or to publish asks again, and the
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
