package fencewalk

// What became of the register.
const (
	notDeleted  = iota
	deletedLate // when the database had left its plain name
	deleted     // before
	adopted     // it was deleted, and an operator said that the plain name is the database
)

// operate makes the moves of people.
func (w *walk) operate(s *state, emit emitter) {
	n := *s
	switch {
	case s.deleted == notDeleted:
		n.deleted = deletedLate
		if s.reg.file == plain {
			n.deleted = deleted
		}
		n.setRegister(w, register{})
		emit(&n, ghost-1, "somebody deletes the register", 0)
	case s.deleted == deleted && s.reg.used != original && s.reg.others(fresh) == 0:
		// The register has another ID by that, and the marker says so: the same here.
		n.deleted = adopted
		r := register{used: original, taken: 1}
		if w.without.AdoptedIsCopied {
			r.taken = 0
		}
		n.setRegister(w, r)
		for i := range n.seats {
			if n.seats[i].pc == refused {
				n.seats[i] = newSeat()
			}
		}
		emit(&n, ghost-1, "an operator adopts the plain name", 0)
	}
}
