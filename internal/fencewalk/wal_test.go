package fencewalk

// In WAL mode a holder is at EXCLUSIVE for as long as it has the database open. A
// transaction is two frames, the second of which commits it.

// walRecovered returns what SQLite reads from a database with a WAL, and how many of
// its frames count.
func walRecovered(page [2]uint8, wal *inode) (frames uint8, _ [2]uint8) {
	before, now := uint8(0), page
	for k, f := range wal.frames {
		if wal.a == 0 || f.salt != wal.a || f.follows != before {
			break
		}
		now[k%2] = f.val
		before = f.val
		if k%2 == 1 {
			frames, page = uint8(k+1), now
		}
	}
	return frames, page
}

func (w *walk) openWAL(s *state, i int, emit emitter) {
	n := *s
	seat := &n.seats[i]
	d := n.dir[seat.name]
	if d.db == 0 {
		if s.in(i) {
			n.bad = missing
		}
		n.drop(i)
		emit(&n, i, "opens %n, which is not there", seat.name)
		return
	}
	seat.db, seat.log, seat.salt, seat.frames, seat.flags = d.db, d.wal, 0, 0, 0
	page := [2]uint8{n.node(d.db).a, n.node(d.db).b}
	if d.wal != 0 {
		seat.salt = n.node(d.wal).a
		if seat.frames, page = walRecovered(page, n.node(d.wal)); seat.frames > 0 {
			seat.flags |= unverified // whoever wrote it may have been this very process, when it was out
		}
	}
	seat.cache, seat.pc = page[0], ready
	emit(&n, i, "opens the file with its WAL and reads %h", seat.cache)
}

// beginWAL begins a transaction: in a new WAL if all of the old one is in the
// database, else behind its frames.
func (w *walk) beginWAL(s *state, i int, emit emitter) {
	n := *s
	seat := &n.seats[i]
	anew := seat.salt == 0 || seat.flags&restored != 0
	if !anew && seat.frames == maxFrames {
		return
	}
	n.begun++
	seat.next = appended(seat.cache, n.begun)
	if !anew {
		w.issueFrames(&n, i, emit)
		return
	}
	if n.dir[seat.name].wal == 0 {
		n.dir[seat.name].wal = n.create(inode{kind: aWAL})
	}
	n.salts++
	seat.log, seat.salt, seat.frames, seat.flags = n.dir[seat.name].wal, n.salts, 0, 0
	n.issue(op{own: uint8(i + 1), kind: opSalt, on: seat.log, nonce: seat.salt})
	seat.pc = salting
	if w.without.WALHeaderSynced {
		w.issueFrames(&n, i, emit)
		return
	}
	emit(&n, i, "begins a transaction and a WAL: writes its header", 0)
}

func (w *walk) issueFrames(n *state, i int, emit emitter) {
	seat := &n.seats[i]
	follows := uint8(0)
	if seat.frames > 0 {
		follows = seat.cache
	}
	seat.pc = framing
	f := op{own: uint8(i + 1), kind: opFrame, on: seat.log, page: seat.frames, val: seat.next, nonce: seat.salt, follows: follows}
	n.issue(f)
	if w.rollback {
		n := *n
		n.undone |= 1 << (seat.next & 3)
		n.seats[i].next, n.seats[i].pc = 0, ready
		emit(&n, i, "writes a frame: %h, and rolls back", seat.next)
	}
	f.page, f.follows = f.page+1, seat.next
	n.issue(f)
	emit(n, i, "writes its frames: %h", seat.next)
}

// walProgram makes the moves of a holder with a WAL.
func (w *walk) walProgram(s *state, i int, emit emitter) {
	n := *s
	seat := &n.seats[i]
	switch seat.pc {
	case salting:
		if n.synced(i, seat.log) {
			w.issueFrames(&n, i, emit)
		}
	case framing:
		if !n.synced(i, seat.log) && !w.without.WALSynced {
			return
		}
		seat.frames += 2
		seat.pc = committing
		if w.without.WALPermission {
			seat.cache = seat.next // the VFS says that the WAL is synced, and what is in it may be written back
		}
		if w.without.Verify {
			n.acknowledge(i)
		}
		emit(&n, i, "the WAL is synced", 0)
	case committing:
		if w.reopen {
			w.breakOff(s, i, emit)
		}
		if w.without.WALPermission {
			w.writeBack(s, i, emit)
		}
		if !s.in(i) {
			n.drop(i)
			emit(&n, i, "sees in the register that it is out: the commit is in doubt", 0)
			return
		}
		n.acknowledge(i)
		emit(&n, i, "sees in the register that it is in: acknowledges %h", n.acked)
	case writingBack:
		if !n.synced(i, seat.db) {
			return
		}
		seat.flags |= restored
		seat.pc = ready
		emit(&n, i, "the checkpoint is synced", 0)
	}
}

// closeWAL makes the moves that need no transaction.
func (w *walk) closeWAL(s *state, i int, emit emitter) {
	seat := &s.seats[i]
	if seat.salt == 0 || seat.frames == 0 {
		return
	}
	if seat.flags&restored == 0 {
		w.writeBack(s, i, emit)
		return
	}
	n := *s
	n.dir[seat.name].wal = 0
	n.seats[i].log, n.seats[i].salt, n.seats[i].frames, n.seats[i].flags = 0, 0, 0, 0
	emit(&n, i, "unlinks the WAL", 0)
	n = *s
	n.node(seat.log).a = 0
	n.node(seat.log).frames = [maxFrames]frame{}
	n.seats[i].salt, n.seats[i].frames, n.seats[i].flags = 0, 0, 0
	emit(&n, i, "truncates the WAL", 0)
}

// writeBack begins a checkpoint.
func (w *walk) writeBack(s *state, i int, emit emitter) {
	n := *s
	seat := &n.seats[i]
	if seat.flags&unverified != 0 && !w.without.WALCheckpoint && !w.without.WALPermission {
		if !s.in(i) {
			n.drop(i)
			emit(&n, i, "checkpoint: syncs the WAL, and sees in the register that it is out", 0)
			return
		}
		seat.flags &^= unverified
	}
	n.issuePages(uint8(i+1), seat.db, seat.cache, seat.cache)
	seat.pc, seat.next = writingBack, 0
	emit(&n, i, "checkpoint: writes the pages: %h", seat.cache)
}

// copyWAL copies the WAL in two reads, in either order.
func (w *walk) copyWAL(s *state, i int, emit emitter) {
	d := s.dir[s.seats[i].name]
	read := func(half uint8, last bool) {
		n := *s
		seat := &n.seats[i]
		if d.wal != 0 {
			from := n.node(d.wal)
			seat.copied.log.kind = aWAL
			if half == 0 {
				seat.copied.log.a = from.a
			}
			copy(seat.copied.log.frames[2*half:2*half+2], from.frames[2*half:])
		}
		seat.frames = 1
		seat.salt = half
		if !last {
			emit(&n, i, "copy: reads half of the WAL", 0)
			return
		}
		seat.frames, seat.salt = 0, 0
		seat.sub++
		if w.without.WALMarkBefore {
			seat.mark = mark{wal: min(1, seat.copied.log.kind), salt: seat.copied.log.a}
		}
		var header [32]byte
		header[0] = seat.copied.log.a
		if !seat.mark.real().Copied(header) {
			w.spoil(&n, i, emit)
			return
		}
		emit(&n, i, "copy: reads the WAL", 0)
	}
	switch seat := &s.seats[i]; {
	case d.wal == 0 && seat.frames == 0:
		read(0, true)
	case seat.frames == 0:
		read(0, false)
		if w.anyOrder {
			read(1, false)
		}
	default:
		read(1-seat.salt, true)
	}
}
