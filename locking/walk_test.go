package locking

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"
)

// The walk goes through every state that three holders can reach together: each
// may ask for any level at any time, learn the outcome later or never, crash or
// expire at any point (also with a swap on its way), and come back. It runs the
// very functions that the coordinator runs, [Record.Step], [Record.Keep] and
// horizon.move, and checks after every move what is promised.

const walkers = 3

var walkIDs = [walkers]string{"a", "b", "c"}

// A walk is one exhaustive search.
type walk struct {
	holders  int  // how many take part
	horizons bool // track what each knows to be written
}

// A walkState is one state of the walk. Comparable, so that it is its own key.
type walkState struct {
	entries [walkers]walkEntry // of the record, in order; unused ones are zero
	n       int8
	actors  [walkers]actor
}

type walkEntry struct {
	who          int8
	level, wants Level
}

// An actor is one holder as it sees itself.
type actor struct {
	known   Level // what it last learned that the record gives it
	belief  Level // what it acts on: known, or less once it asked to step down
	pending bool  // it asked, and has not learned the outcome
	gone    bool  // crashed or expired: it never writes again under this identity
	late    bool  // gone, with a swap on its way that may still take effect

	// Tracked only if the walk is about horizons.
	behind  int8 // record's epoch less its horizon's, at most 2
	settled bool
	dirty   bool // another was at EXCLUSIVE since it was last in
}

// record builds the real record of a state. Epochs are counted from 10, so that
// those of the horizons stay positive.
func (s *walkState) record() Record {
	r := Record{Format: RecordFormat, Epoch: 10}
	for _, e := range s.entries[:s.n] {
		r.Entries = append(r.Entries, Entry{Holder: Holder{ID: walkIDs[e.who]}, Level: e.level, Wants: e.wants, TTL: 1})
	}
	return r
}

// set takes over a record that followed from the state's own.
func (s *walkState) set(r *Record) {
	s.n = int8(len(r.Entries))
	s.entries = [walkers]walkEntry{}
	for i, e := range r.Entries {
		s.entries[i] = walkEntry{int8(slices.Index(walkIDs[:], e.Holder.ID)), e.Level, e.Wants}
	}
	for i := range s.actors {
		a := &s.actors[i]
		a.behind = min(2, a.behind+int8(r.Epoch-10))
	}
}

func (s *walkState) horizon(i int) horizon {
	return horizon{epoch: 10 - Epoch(s.actors[i].behind), settled: s.actors[i].settled}
}

// gone returns the holders that others may find expired.
func (s *walkState) gone() (ids []string) {
	for i, a := range s.actors {
		if a.gone {
			ids = append(ids, walkIDs[i])
		}
	}
	return ids
}

// ask has holder i ask for a level. It returns a broken promise, if one is.
func (s *walkState) ask(i int, level Level, evict bool) (walkState, error) {
	next, was := *s, s.record()
	req := Request{Holder: Holder{ID: walkIDs[i]}, Level: level, TTL: time.Millisecond}
	if evict {
		req.Expired = s.gone()
	}
	r, answer := was.Step(req)
	if err := checkStep(&was, &r, req, answer); err != nil {
		return next, err
	}
	next.set(&r)
	for j := range next.actors {
		next.actors[j].late = false // its predecessor is gone
	}
	if a := &next.actors[i]; !a.gone {
		a.pending, a.belief = true, min(a.belief, level)
	}
	return next, nil
}

// learn has holder i learn what the record gives it, as the keeper does.
func (s *walkState) learn(i int) (walkState, error) {
	next, r := *s, s.record()
	a := &next.actors[i]
	level := None
	if e := r.Find(walkIDs[i]); e != nil {
		level = e.Level
	}
	h := s.horizon(i)
	changed := h.move(&r, walkIDs[i], a.known, level)
	a.behind, a.settled = int8(min(2, 10-h.epoch)), h.settled
	if a.known == None && level != None {
		if a.dirty && !changed {
			return next, fmt.Errorf("%s comes back in and is not told that another wrote", walkIDs[i])
		}
		a.dirty = false
	}
	a.known, a.belief, a.pending = level, level, false
	if level == Exclusive {
		for j := range next.actors {
			next.actors[j].dirty = next.actors[j].dirty || j != i
		}
	}
	return next, nil
}

// moves returns every state that follows from s.
func (w walk) moves(s *walkState, visit func(name string, next walkState, err error)) {
	for i := range w.holders {
		a := s.actors[i]
		if a.gone {
			s.movesOfGone(i, visit)
			continue
		}
		crash := *s
		crash.actors[i] = actor{gone: true, late: !a.pending}
		visit(fmt.Sprintf("%s crashes", walkIDs[i]), crash, nil)
		if a.pending {
			next, err := s.learn(i)
			visit(fmt.Sprintf("%s learns", walkIDs[i]), next, err)
			continue
		}
		for _, level := range []Level{None, Shared, Reserved, Pending, Exclusive} {
			if level == Pending && a.known != Pending {
				continue // nobody asks for PENDING, but one may stay there
			}
			for _, evict := range []bool{false, true} {
				next, err := s.ask(i, level, evict)
				visit(fmt.Sprintf("%s asks for %v (evicting: %v)", walkIDs[i], level, evict), next, err)
			}
		}
	}
}

// movesOfGone: a swap of the dead may still take effect, and its process may
// start again under a new identity once the old one was evicted.
func (s *walkState) movesOfGone(i int, visit func(name string, next walkState, err error)) {
	r := s.record()
	if s.actors[i].late {
		for _, level := range []Level{None, Shared, Reserved, Exclusive} {
			next, err := s.ask(i, level, false)
			visit(fmt.Sprintf("%s, gone, asked for %v", walkIDs[i], level), next, err)
		}
	}
	if r.Find(walkIDs[i]) == nil {
		next := *s
		next.actors[i] = actor{behind: 2}
		visit(fmt.Sprintf("%s starts again", walkIDs[i]), next, nil)
	}
}

// checkStep checks the promises about a single transition.
func checkStep(was, is *Record, req Request, answer Answer) error {
	if err := is.validate(); err != nil {
		return err
	}
	old, now := None, None
	place := len(was.Entries) // in the queue; behind all if it does not wait
	if i := was.index(req.Holder.ID); i >= 0 {
		old = was.Entries[i].Level
		if was.Entries[i].Waits() {
			place = i
		}
	}
	if e := is.Find(req.Holder.ID); e != nil {
		now = e.Level
	}
	if now != answer.Level || answer.Granted() && now < req.Level {
		return fmt.Errorf("the answer says %v, granted %v; the record %v", answer.Level, answer.Granted(), now)
	}
	switch grew := is.Epoch > was.Epoch; {
	case is.Epoch < was.Epoch:
		return fmt.Errorf("the epoch fell from %d to %d", was.Epoch, is.Epoch)
	case now.Writing() && !old.Writing() && !grew:
		return fmt.Errorf("%v was granted and the epoch stayed", now)
	}
	if len(is.Entries) == 1 && now == None && req.Level > None && is.Entries[0].Holder.ID == req.Holder.ID {
		return fmt.Errorf("alone, and not granted %v", req.Level)
	}
	for j := range was.Entries {
		o := &was.Entries[j]
		if o.Holder.ID == req.Holder.ID || is.Find(o.Holder.ID) == nil {
			continue
		}
		if o.Level == Pending && old == None && now == Shared {
			return fmt.Errorf("SHARED was granted beside PENDING of %s", o.Holder.ID)
		}
		if o.Waits() && j < place && now > old && !old.Writing() && (now.Writing() || conflict(o.Wants, now)) {
			return fmt.Errorf("%v was granted past %s, which came first and waits for %v", now, o.Holder.ID, o.Wants)
		}
	}
	return nil
}

// check checks the promises about one state.
func (s *walkState) check() error {
	r := s.record()
	for i, a := range s.actors {
		if a.belief == None {
			continue
		}
		if e := r.Find(walkIDs[i]); e == nil || e.Level < a.belief {
			return fmt.Errorf("%s acts on %v, which the record does not give it", walkIDs[i], a.belief)
		}
		for j, b := range s.actors {
			switch {
			case j == i || b.belief == None:
			case a.belief.Writing() && b.belief.Writing():
				return fmt.Errorf("%s acts on %v and %s on %v", walkIDs[i], a.belief, walkIDs[j], b.belief)
			case a.belief == Exclusive:
				return fmt.Errorf("%s acts on EXCLUSIVE and %s on %v", walkIDs[i], walkIDs[j], b.belief)
			}
		}
	}
	return s.checkProgress(r)
}

// checkProgress lets everybody do what a live process does when it is asked, and
// checks that all who wait are served. Only who holds SHARED and waits for
// EXCLUSIVE may have to give up, since two of them wait for each other.
func (s *walkState) checkProgress(r Record) error {
	step := func(id string, level Level) {
		r, _ = r.Step(Request{Holder: Holder{ID: id}, Level: level, TTL: 1, Expired: s.gone()})
	}
	for range 2*walkers + 1 {
		for i, id := range walkIDs {
			e := r.Find(id)
			if e == nil || s.actors[i].gone {
				continue
			}
			keep, _ := r.Keep(id)
			switch {
			case !e.Waits():
				step(id, None)
			case e.Level == Shared && keep < Shared:
				step(id, None)
			default:
				step(id, e.Wants)
			}
		}
	}
	for _, e := range r.Entries {
		if !slices.Contains(s.gone(), e.Holder.ID) {
			return fmt.Errorf("%s still waits for %v at %v after everybody stepped down", e.Holder.ID, e.Wants, e.Level)
		}
	}
	return nil
}

// canonical returns the one state that stands for all that differ from s only in
// the names of the holders, or in what this walk does not look at.
func (w walk) canonical(s walkState) walkState {
	for i := range s.actors {
		a := &s.actors[i]
		if a.gone || !w.horizons || i >= w.holders {
			a.behind, a.settled, a.dirty = 2, false, false
		}
	}
	best := s
	permute(w.holders, func(to [walkers]int8) {
		p := s
		for i := range s.actors {
			p.actors[to[i]] = s.actors[i]
		}
		for i := range p.entries[:p.n] {
			p.entries[i].who = to[s.entries[i].who]
		}
		if p.less(&best) {
			best = p
		}
	})
	return best
}

// permute calls f with every renaming of the first n holders.
func permute(n int, f func(to [walkers]int8)) {
	to := [walkers]int8{0, 1, 2}
	var swap func(k int)
	swap = func(k int) {
		if k == n {
			f(to)
			return
		}
		for i := k; i < n; i++ {
			to[k], to[i] = to[i], to[k]
			swap(k + 1)
			to[k], to[i] = to[i], to[k]
		}
	}
	swap(0)
}

// less is some total order of states.
func (s *walkState) less(t *walkState) bool {
	for i := range s.entries {
		if c := cmp.Compare(s.entries[i].who, t.entries[i].who); c != 0 {
			return c < 0
		}
	}
	for i := range s.actors {
		if c := cmp.Compare(s.actors[i].code(), t.actors[i].code()); c != 0 {
			return c < 0
		}
	}
	return false
}

// code numbers the actors' states.
func (a *actor) code() int {
	code := int(a.known)*5 + int(a.belief)
	for _, b := range []bool{a.pending, a.gone, a.late, a.settled, a.dirty} {
		code *= 2
		if b {
			code++
		}
	}
	return code*3 + int(a.behind)
}

// run goes through all states and fails with the way to the first bad one.
func (w walk) run(t *testing.T) (states, moves int) {
	type step struct {
		from walkState
		name string
	}
	var first walkState
	for i := range first.actors {
		first.actors[i].behind = 2
	}
	first = w.canonical(first)
	came := map[walkState]step{first: {}}
	todo := []walkState{first}
	explain := func(s walkState, last string, err error) {
		names := []string{last}
		for ; s != first; s = came[s].from {
			names = append(names, came[s].name)
		}
		slices.Reverse(names)
		for i, name := range names {
			t.Logf("%2d. %s (names may change from line to line)", i+1, name)
		}
		t.Fatal(err)
	}
	for len(todo) > 0 {
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		w.moves(&s, func(name string, next walkState, err error) {
			moves++
			next = w.canonical(next)
			if _, known := came[next]; known && err == nil {
				return
			}
			if err == nil {
				err = next.check()
			}
			if err != nil {
				explain(s, name, err)
			}
			came[next] = step{s, name}
			todo = append(todo, next)
		})
	}
	return len(came), moves
}

func TestWalkOfAllStatesOfThreeHolders(t *testing.T) {
	start := time.Now()
	states, moves := walk{holders: 3}.run(t)
	t.Logf("%d states, %d moves in %v", states, moves, time.Since(start).Round(time.Millisecond))
	if states < 1000 {
		t.Errorf("only %d states: the walk does not go where it should", states)
	}
}

func TestWalkOfWhatTwoHoldersKnowToBeWritten(t *testing.T) {
	start := time.Now()
	states, moves := walk{holders: 2, horizons: true}.run(t)
	t.Logf("%d states, %d moves in %v", states, moves, time.Since(start).Round(time.Millisecond))
	if states < 1000 {
		t.Errorf("only %d states: the walk does not go where it should", states)
	}
}
