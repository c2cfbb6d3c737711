package fencewalk

import "fmt"

// Kinds of a broken promise, as the tests name them.
const (
	torn      = 1 + iota // the database is no state that any history led to
	gone                 // an acknowledged commit is missing from it
	missing              // the file that the record names is not there
	overwrote            // a commit was acknowledged that does not follow the one acknowledged before
	undid                // a transaction that was rolled back is in it
	stuck                // somebody who comes alone does not get in
	misread              // a reader that looked afterwards, and was in, saw what is no state of the database
)

var kinds = [...]string{torn: "torn", gone: "lost", missing: "missing", overwrote: "lost", undid: "undone", stuck: "stuck", misread: "misread"}

// A broken is a broken promise.
type broken struct {
	kind string
	why  string
}

func (b *broken) Error() string { return b.kind + ": " + b.why }

func breaks(kind int, format string, args ...any) *broken {
	return &broken{kinds[kind], fmt.Sprintf(format, args...)}
}

// recovered returns the pages of the database by that name, after SQLite opened it.
func (s *state) recovered(name uint8) (p0, p1 uint8, ok bool) {
	d := s.dir[name]
	if d.db == 0 {
		return 0, 0, false
	}
	p0, p1 = s.node(d.db).a, s.node(d.db).b
	if d.journal != 0 {
		pages, j0, j1 := s.node(d.journal).restores()
		if pages&1 != 0 {
			p0 = j0
		}
		if pages&2 != 0 {
			p1 = j1
		}
	}
	if d.wal != 0 {
		_, page := walRecovered([2]uint8{p0, p1}, s.node(d.wal))
		p0, p1 = page[0], page[1]
	}
	return p0, p1, true
}

// check checks what is promised of every state.
func (w *walk) check(s *state) *broken {
	switch {
	case s.bad == overwrote:
		return breaks(overwrote, "a commit was acknowledged that does not follow %s", historyString(s.acked))
	case s.bad != 0:
		return breaks(int(s.bad), "seen by a holder")
	case s.reg.used != original && !w.without.RegisterKnown:
		return nil // deleted, and nobody is let in
	}
	p0, p1, ok := s.recovered(s.reg.file)
	switch {
	case !ok:
		return breaks(missing, "what the record names is not there")
	case p0 != p1 || p0 == garbage:
		return breaks(torn, "it recovers to %s and %s", historyString(p0), historyString(p1))
	case !follows(p0, s.acked):
		return breaks(gone, "it recovers to %s, and %s was acknowledged", historyString(p0), historyString(s.acked))
	case has(p0, s.undone):
		return breaks(undid, "it recovers to %s, of which a transaction was rolled back", historyString(p0))
	}
	return nil
}

// goOn checks that somebody can go on: a fresh process that runs alone, after all
// that is in flight landed or not, gets to where it can write.
func (w *walk) goOn(s *state) *broken {
	n := *s
	n.ops = [maxOps]op{}
	n.seats = [maxSeats]seat{}
	n.begun, n.undone = 0, 0
	key := n
	if w.alone[key] {
		return nil
	}
	for range 30 {
		switch n.seats[fresh].pc {
		case ready:
			if b := w.check(&n); b != nil {
				return b
			}
			w.alone[key] = true
			return nil
		case refused:
			w.alone[key] = true
			return nil
		}
		next, moved := n, false
		take := func(m *state, _ int, _ string, _ uint8) {
			if !moved {
				next, moved = *m, true
			}
		}
		if w.land(&n, take); !moved {
			w.program(&n, fresh, take)
		}
		if !moved {
			break
		}
		if n = next; n.bad != 0 {
			return w.check(&n)
		}
	}
	return breaks(stuck, "a fresh process that runs alone does not get in")
}
