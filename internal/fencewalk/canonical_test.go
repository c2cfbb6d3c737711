package fencewalk

import "slices"

// canonical returns the one state that stands for all that differ from s only in
// how seats, names and inodes are numbered, or in what nobody can ever see again.
func (w *walk) canonical(s *state) state {
	n, _ := w.renumbered(s)
	return n
}

// A renumbering says what canonical made of seats and names, both from 0. A name
// that became 0 is not in use.
type renumbering struct {
	seats [maxSeats]uint8
	names [maxNames]uint8
}

func (w *walk) renumbered(s *state) (n state, to renumbering) {
	n = *s
	w.forget(&n)
	to.seats = n.sortSeats(w.holders)
	to.names = n.renameNames(w)
	n.renumberInodes()
	return n, to
}

// relevant returns the names that anything may still come to depend on: the
// database, what is being copied and where to, and names that may be used again.
func (w *walk) relevant(s *state) (set uint8) {
	set = 1 << s.reg.file
	if s.reg.by != 0 {
		set |= 1 << s.reg.to
	}
	if w.settle || w.deletes || s.reg.used != original {
		set |= 1 << plain
	}
	if w.without.NamePerCopier {
		set |= 1 << 1
	}
	if w.without.EvictFirst {
		for i := range s.seats {
			if pc := s.seats[i].pc; pc == copying || pc == publishing {
				set |= 1<<s.seats[i].name | 1<<s.seats[i].to
			}
		}
	}
	return set
}

// forget drops what can have no effect any more.
func (w *walk) forget(s *state) {
	relevant := w.relevant(s)
	for i := range s.seats {
		w.forgetSeat(s, i, relevant)
	}
	var pinned uint8
	for i := range s.seats {
		if seat := &s.seats[i]; seat.pc != idle && (seat.pc != lost || w.comeback) {
			pinned |= 1<<seat.name | 1<<seat.to
		}
	}
	keep := relevant | pinned
	if w.without.OwnNamesOnly {
		keep = 0xFF
	}
	for name := range s.dir {
		if keep&(1<<name) == 0 {
			s.dir[name] = names{}
		}
	}
	var seen [maxInodes + 1]bool
	for name, d := range s.dir {
		if relevant&(1<<name) != 0 {
			seen[d.db], seen[d.journal], seen[d.wal] = true, true, true
		}
	}
	for i := range s.seats {
		if seat := &s.seats[i]; seat.pc == copying && relevant&(1<<seat.name) != 0 {
			seen[seat.db] = true
		}
	}
	for k := range s.ops {
		o := &s.ops[k]
		if o.own == 0 {
			continue
		}
		if o.byPath() && relevant&(1<<o.on) == 0 || !o.byPath() && !seen[o.on] {
			*o = op{}
		}
	}
	slices.SortStableFunc(s.ops[:], func(a, b op) int { return a.order() - b.order() })
}

// order sorts operations in flight. Those of one process to one file keep the order
// in which they were issued.
func (o *op) order() int {
	if o.own == 0 {
		return 1 << 30
	}
	x := int(o.own)<<16 | int(o.on)<<8
	if o.byPath() {
		x |= 1 << 7
	}
	return x | int(o.place()&0x7F)
}

// forgetSeat: a holder that is out and works on files that nobody will see can do
// no more harm, if the rules are all in force. It is as good as dead, and whoever is
// dead may start again.
func (w *walk) forgetSeat(s *state, i int, relevant uint8) {
	seat := &s.seats[i]
	if seat.pc == idle || seat.pc == refused {
		return
	}
	out := s.reg.find(i) == nil
	if out {
		seat.late = 0
	}
	if w.without == (rules{}) && !w.stale && out && seat.pc != lost && !w.comeback {
		copies := seat.pc == copying || seat.pc == publishing
		reads := seat.level < 2 && seat.pc != idle
		switch {
		case seat.pc == removing, seat.pc == telling, seat.pc == leaving:
		case copies && !(w.settle && seat.to == plain), !copies && relevant&(1<<seat.name) == 0, reads:
			seat.pc = lost
		}
	}
	if seat.pc != lost {
		return
	}
	for k := range s.ops {
		if int(s.ops[k].own) == i+1 {
			s.ops[k].own = ghost
		}
	}
	if w.comeback {
		*seat = seat.trimmed()
		return
	}
	*seat = newSeatLost(seat.late)
	if w.restart && out && seat.late == 0 {
		*seat = newSeat()
		if int(s.reg.removing) == i+1 {
			s.reg.removing = ghost
		}
	}
}

func newSeat() seat { return seat{} }

func newSeatLost(late uint8) seat { return seat{pc: lost, late: late} }

// trimmed returns what a lost connection may still use.
func (s seat) trimmed() seat {
	return seat{pc: lost, cache: s.cache, next: s.next, name: s.name, db: s.db}
}

// sortSeats numbers the holders by what they are at.
func (s *state) sortSeats(holders int) (became [maxSeats]uint8) {
	type keyed struct {
		at  int
		key uint64
	}
	var by [fresh]keyed
	for i := range holders {
		by[i] = keyed{i, s.seats[i].key(s.reg.find(i) != nil)}
	}
	slices.SortStableFunc(by[:holders], func(a, b keyed) int {
		if a.key < b.key {
			return -1
		}
		if a.key > b.key {
			return 1
		}
		return 0
	})
	same := true
	for k := range holders {
		same = same && by[k].at == k
	}
	for k := range became {
		became[k] = uint8(k)
	}
	if same {
		return became
	}
	var to [ghost + 1]uint8 // by number from 1
	for k := range to {
		to[k] = uint8(k)
	}
	seats := s.seats
	for k := range holders {
		to[by[k].at+1] = uint8(k + 1)
		became[by[k].at] = uint8(k)
		s.seats[k] = seats[by[k].at]
	}
	for k := range s.ops {
		s.ops[k].own = to[s.ops[k].own]
	}
	s.reg.by, s.reg.removing = to[s.reg.by], to[s.reg.removing]
	for k := range s.reg.entries {
		s.reg.entries[k].who = to[s.reg.entries[k].who]
	}
	slices.SortStableFunc(s.ops[:], func(a, b op) int { return a.order() - b.order() })
	return became
}

// key is made of what no renumbering changes.
func (s *seat) key(in bool) uint64 {
	k := uint64(s.pc)<<56 | uint64(s.sub)<<48 | uint64(s.cache)<<40 | uint64(s.next)<<32 | uint64(s.flags)<<24 | uint64(s.why)<<20 | uint64(s.copied.page[0])<<8 | uint64(s.copied.page[1])
	if in {
		k ^= 1 << 63
	}
	return k
}

// renameNames numbers the names by who refers to them first.
func (s *state) renameNames(w *walk) (to [maxNames]uint8) {
	if w.without.NamePerCopier {
		return [maxNames]uint8{0, 1}
	}
	var next uint8 = 1
	get := func(n uint8) uint8 {
		if n == plain {
			return plain
		}
		if to[n] == 0 {
			to[n] = next
			next++
		}
		return to[n]
	}
	set := func(old uint8) (out uint8) {
		for n := range uint8(maxNames) {
			if old&(1<<n) != 0 {
				out |= 1 << get(n)
			}
		}
		return out
	}
	s.reg.file, s.reg.to = get(s.reg.file), get(s.reg.to)
	for i := range s.seats {
		seat := &s.seats[i]
		seat.name, seat.to = get(seat.name), get(seat.to)
		if seat.pc == removing || seat.pc == telling {
			seat.sub = get(seat.sub)
		}
	}
	for k := range s.ops {
		if s.ops[k].own != 0 && s.ops[k].byPath() {
			s.ops[k].on = get(s.ops[k].on)
		}
	}
	s.reg.old = set(s.reg.old)
	dir := s.dir
	for n := range dir {
		if dir[n] != (names{}) {
			get(uint8(n))
		}
	}
	s.dir = [maxNames]names{}
	for n := range dir {
		if dir[n] != (names{}) {
			s.dir[get(uint8(n))] = dir[n]
		}
	}
	return to
}

// renumberInodes numbers the inodes by who refers to them first, and drops those
// that nobody does.
func (s *state) renumberInodes() {
	var to [maxInodes + 1]uint8
	var nodes [maxInodes]inode
	var next uint8
	get := func(n *uint8) {
		if *n == 0 {
			return
		}
		if to[*n] == 0 {
			next++
			to[*n] = next
			nodes[next-1] = s.nodes[*n-1]
		}
		*n = to[*n]
	}
	for k := range s.dir {
		get(&s.dir[k].db)
		get(&s.dir[k].journal)
		get(&s.dir[k].wal)
	}
	for i := range s.seats {
		seat := &s.seats[i]
		get(&seat.db)
		if seat.pc != copying {
			get(&seat.log)
		}
	}
	for k := range s.ops {
		if o := &s.ops[k]; o.own != 0 && !o.byPath() {
			get(&o.on)
		}
	}
	s.nodes = nodes
}
