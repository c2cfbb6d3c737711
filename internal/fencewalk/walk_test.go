package fencewalk

import (
	"fmt"
	"slices"
	"strings"
	"unsafe"

	"github.com/holdfastdb/holdfast/internal/fence"
	"github.com/holdfastdb/holdfast/locking"
)

// A walk goes through all states of a scenario, those that few moves lead to first.
type walk struct {
	scenario
	steps map[stepKey]stepResult
	order []fence.Step
	alone map[state]bool // states from which somebody is known to go on

	states, moves int
	stood         uint64 // where programs stood, a bit each
}

// A counterexample is the shortest way to a broken promise.
type counterexample struct {
	broken *broken
	trace  []string
}

// first is the state in which a holder has just been let in, and opens the database.
func (w *walk) first() state {
	var s state
	s.dir[plain].db = s.create(inode{kind: aDB})
	w.swap(&s, 0, request{level: locking.Exclusive, nonce: 1, first: true})
	s.marker = 1
	s.seats[0].pc = opening
	return w.canonical(&s)
}

// successors visits every state that follows from s, as it is.
func (w *walk) successors(s *state, emit emitter) {
	w.land(s, emit)
	for i := range w.holders {
		w.program(s, i, emit)
	}
	if w.deletes {
		w.operate(s, emit)
	}
}

// run goes through all states, until a promise is broken in one.
func (w *walk) run() *counterexample {
	w.steps, w.alone = make(map[stepKey]stepResult), make(map[state]bool)
	first := w.first()
	var came visited
	came.add(hash(&first), 0)
	now := []state{first}
	for len(now) > 0 {
		var next []state
		for k := range now {
			var bad *broken
			from := hash(&now[k])
			var at state
			w.successors(&now[k], func(raw *state, _ int, _ string, _ uint8) {
				w.moves++
				n := w.canonical(raw)
				if bad != nil || !came.add(hash(&n), from) {
					return
				}
				if bad = w.check(&n); bad == nil {
					bad = w.goOn(&n)
				}
				if bad != nil {
					at = n
					return
				}
				for i := range w.holders {
					w.stood |= 1 << n.seats[i].pc
				}
				next = append(next, n)
			})
			if bad != nil {
				w.states = came.n
				return &counterexample{bad, w.trace(first, &at, &came)}
			}
		}
		now = next
	}
	w.states = came.n
	return nil
}

// trace walks the way to a state again, and tells it.
func (w *walk) trace(first state, to *state, came *visited) (lines []string) {
	var way []uint64
	for h := hash(to); h != hash(&first); h = came.parent(h) {
		way = append(way, h)
	}
	slices.Reverse(way)
	at, called := first, newCalled()
	holder := first.reg.entries[0].who - 1
	called.seats[0], called.seats[holder] = int(holder), 0
	for _, h := range way {
		var next state
		var became renumbering
		found := false
		w.successors(&at, func(raw *state, i int, text string, v uint8) {
			if found {
				return
			}
			if next, became = w.renumbered(raw); hash(&next) == h {
				found = true
				lines = append(lines, called.told(i, text, v))
			}
		})
		at = next
		called.follow(became)
	}
	return lines
}

// called remembers what a trace calls seats and names, whose numbers change.
type called struct {
	seats [maxSeats]int
	names [maxNames]int
	next  int
}

func newCalled() *called {
	return &called{seats: [maxSeats]int{0, 1, 2, 3}}
}

func (c *called) follow(to renumbering) {
	old := *c
	c.names = [maxNames]int{}
	for i, became := range to.seats {
		c.seats[became] = old.seats[i]
	}
	for n, became := range to.names {
		if became != 0 {
			c.names[became] = old.names[n]
		}
	}
}

func (c *called) told(i int, text string, v uint8) string {
	text = strings.ReplaceAll(text, "%h", historyString(v))
	if strings.Contains(text, "%n") {
		name := database
		if v != plain {
			if c.names[v] == 0 {
				c.next++
				c.names[v] = c.next
			}
			name = fmt.Sprintf("%s@%d", database, c.names[v])
		}
		text = strings.ReplaceAll(text, "%n", name)
	}
	if i+1 == ghost {
		return "- " + text
	}
	return string('A'+rune(c.seats[i])) + " " + text
}

func historyString(h uint8) string {
	if h == garbage {
		return "garbage"
	}
	s := ""
	for ; h > 0; h >>= 2 {
		s = string('0'+rune(h&3)) + s
	}
	return "[" + s + "]"
}

// visited is a set of states by 64 bits of hash, with the one that each was first
// reached from. That two of 50 million states share a hash has a chance of 1 in
// 15,000; then a state would not be looked at.
type visited struct {
	key, from []uint64
	n         int
}

// add reports whether h is new.
func (v *visited) add(h, from uint64) bool {
	if v.n*4 >= len(v.key)*3 {
		v.grow()
	}
	mask := uint64(len(v.key) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		switch v.key[i] {
		case h:
			return false
		case 0:
			v.key[i], v.from[i] = h, from
			v.n++
			return true
		}
	}
}

func (v *visited) grow() {
	old := *v
	size := max(1<<14, 2*len(v.key))
	*v = visited{key: make([]uint64, size), from: make([]uint64, size)}
	for i, k := range old.key {
		if k != 0 {
			v.add(k, old.from[i])
		}
	}
}

func (v *visited) parent(h uint64) uint64 {
	mask := uint64(len(v.key) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		if v.key[i] == h {
			return v.from[i]
		}
	}
}

// hash mixes all bytes of a state.
func hash(s *state) uint64 {
	const m = 0x9E3779B97F4A7C15
	h := uint64(0x243F6A8885A308D3)
	for _, b := range unsafe.Slice((*[8]byte)(unsafe.Pointer(s)), unsafe.Sizeof(*s)/8) {
		h = (h ^ *(*uint64)(unsafe.Pointer(&b))) * m
		h ^= h >> 29
	}
	for _, b := range (*[unsafe.Sizeof(*s)]byte)(unsafe.Pointer(s))[unsafe.Sizeof(*s)&^7:] {
		h = (h ^ uint64(b)) * m
		h ^= h >> 31
	}
	h *= 0xBF58476D1CE4E5B9
	return max(1, h^h>>32)
}
