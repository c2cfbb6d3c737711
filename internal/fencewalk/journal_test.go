package fencewalk

// A journal is one segment, whose records are of both pages, or two: the first with
// the record of page 1, which is spilled, and the second with that of page 0. What
// the second segment is made of lies where a WAL has its frames.

// Segments, as operations on a journal number them.
const (
	whole = iota
	firstOfTwo
	secondOfTwo
)

func (in *inode) writeRecords(o op) {
	if o.page == secondOfTwo {
		in.frames[0].follows, in.frames[0].val = o.nonce, o.val
		return
	}
	in.b, in.c, in.frames[1].salt = o.nonce, o.val, o.page
}

func (in *inode) writeHeader(o op) {
	if o.page == secondOfTwo {
		in.frames[0].salt = o.nonce
		return
	}
	in.a = o.nonce
}

// copyHeaders is what the first pass over a journal reads, and copyRecords the second.
func (in *inode) copyHeaders(from *inode) {
	in.kind, in.a, in.frames[0].salt = aJournal, from.a, from.frames[0].salt
}

func (in *inode) copyRecords(from *inode) {
	in.b, in.c, in.frames[1].salt = from.b, from.c, from.frames[1].salt
	in.frames[0].follows, in.frames[0].val = from.frames[0].follows, from.frames[0].val
}

// restores returns which pages SQLite writes back from a journal, a bit each, and
// what. A record whose checksum is of another nonce ends the playing back.
func (in *inode) restores() (pages, p0, p1 uint8) {
	switch second := in.frames[0]; {
	case in.a == 0 || in.a != in.b:
		return 0, 0, 0
	case in.frames[1].salt == whole:
		return 3, in.c, in.c
	case second.salt == in.a && second.follows == in.a:
		return 3, second.val, in.c
	}
	return 2, 0, in.c
}
