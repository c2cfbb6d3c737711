package fencewalk

// The storage is the adversary. What is written by a handle is in flight until it
// takes effect, at any later time and in any order except that writes to one place
// by one process keep theirs. What goes by a path takes effect when its process gets
// to it, and as that may be as late as it likes, this is the same as being in flight;
// with doubt in the scenario it may also be left behind by a process that dies.

// create makes an inode and returns its number.
func (s *state) create(in inode) uint8 {
	for k := range s.nodes {
		if s.nodes[k].kind == 0 {
			s.nodes[k] = in
			return uint8(k + 1)
		}
	}
	panic("more inodes than maxInodes")
}

func (s *state) node(n uint8) *inode { return &s.nodes[n-1] }

// issue puts an operation in flight.
func (s *state) issue(o op) {
	for k := range s.ops {
		if s.ops[k].own == 0 {
			s.ops[k] = o
			return
		}
	}
	panic("more operations than maxOps")
}

func (s *state) issuePages(own, db, p0, p1 uint8) {
	s.issue(op{own: own, kind: opPage, on: db, page: 0, val: p0})
	s.issue(op{own: own, kind: opPage, on: db, page: 1, val: p1})
}

// synced reports whether all that seat i wrote to an inode took effect, and then
// forgets it: the replies are there.
func (s *state) synced(i int, on uint8) bool {
	for _, o := range s.ops {
		if int(o.own) == i+1 && !o.byPath() && o.on == on && o.ran == 0 {
			return false
		}
	}
	for k := range s.ops {
		if o := &s.ops[k]; int(o.own) == i+1 && !o.byPath() && o.on == on {
			*o = op{}
		}
	}
	return true
}

// quiet reports whether seat i has nothing in flight.
func (s *state) quiet(i int) bool {
	for _, o := range s.ops {
		if int(o.own) == i+1 {
			return false
		}
	}
	return true
}

// run lets operation o take effect.
func (s *state) run(o op) {
	switch o.kind {
	case opCreate:
		if d := &s.dir[o.on]; d.journal == 0 {
			d.journal = s.create(inode{kind: aJournal})
		}
		return
	case opUnlink:
		s.dir[o.on].journal = 0
		return
	case opUnlinkDB:
		s.dir[o.on].db = 0
		return
	}
	in := s.node(o.on)
	switch o.kind {
	case opPage:
		if o.page == 0 {
			in.a = o.val
		} else {
			in.b = o.val
		}
	case opRecords:
		in.writeRecords(o)
	case opHeader:
		in.writeHeader(o)
	case opZero:
		in.a = 0
	case opTruncate:
		*in = inode{kind: aJournal}
	case opSalt:
		in.a = o.nonce
	case opFrame:
		in.frames[o.page] = frame{o.nonce, o.follows, o.val}
	}
}

// land lets one operation in flight take effect.
func (w *walk) land(s *state, emit emitter) {
	w.landSwaps(s, emit)
	for k, o := range s.ops {
		if o.own == 0 || s.blocked(k) {
			continue
		}
		n := *s
		n.run(o)
		n.ops[k] = op{}
		emit(&n, int(o.own)-1, landings[o.kind], o.val)
		if w.twice {
			n := *s
			n.run(o)
			n.ops[k].ran = 1
			if n != *s {
				emit(&n, int(o.own)-1, landings[o.kind]+", and may do so again", o.val)
			}
		}
	}
}

// blocked reports whether an earlier write of the same process to the same place is
// still in flight.
func (s *state) blocked(k int) bool {
	o := s.ops[k]
	for _, e := range s.ops[:k] {
		if e.own == o.own && e.own != ghost && e.on == o.on && e.byPath() == o.byPath() && e.place() == o.place() {
			return true
		}
	}
	return false
}

// place tells apart the places in a file that operations go to.
func (o *op) place() uint8 {
	switch o.kind {
	case opPage, opFrame:
		return o.page
	case opRecords:
		return 100 + o.page
	case opHeader:
		return 110 + o.page
	}
	return 110 // a header, or all of the file
}

var landings = [...]string{
	opPage: "~ a page lands: %h", opRecords: "~ records of a journal land: %h", opHeader: "~ the header of a journal lands",
	opZero: "~ zeros land on the header of a journal", opTruncate: "~ the truncation of a journal lands",
	opCreate: "~ the creation of a journal lands", opUnlink: "~ the unlink of a journal lands",
	opUnlinkDB: "~ the unlink of a database lands", opSalt: "~ the header of a WAL lands", opFrame: "~ a frame lands: %h",
}
