package fencewalk

// The walk has no clocks: whoever is in the record may be found expired by any
// other at any time, and goes on regardless. All of a state is bytes, so that it
// is its own key.

const (
	maxSeats  = 4 // three, and the fresh one that shows that somebody can go on
	fresh     = 3 // that one
	ghost     = 9 // owns what the dead left in flight
	maxNames  = 8
	maxInodes = 14
	maxOps    = 12
	maxFrames = 4

	plain   = 0    // the name that the database began with
	garbage = 0xFF // in a page that was never written
)

// A state is one moment of all there is.
type state struct {
	reg   register
	dir   [maxNames]names
	nodes [maxInodes]inode // referred to by number, from 1
	ops   [maxOps]op       // in flight
	seats [maxSeats]seat

	begun   uint8 // transactions begun so far
	acked   uint8 // history that was acknowledged last
	undone  uint8 // transactions that were rolled back, a bit each
	salts   uint8 // WAL salts drawn so far
	marker  uint8 // 1: the marker stands beside the database
	deleted uint8 // notDeleted to adopted: what became of the register
	bad     uint8 // what a move, rather than a state, broke
}

// names is what lies under one name: inodes, 0 if nothing does.
type names struct{ db, journal, wal uint8 }

// An inode is one file. Names may go, and handles on it stay.
type inode struct {
	kind    uint8
	a, b, c uint8
	frames  [maxFrames]frame
}

const (
	aDB      = 1 + iota // a, b: histories in its two pages
	aJournal            // a: nonce in its header, 0 if not hot; b: nonce of its records; c: history in them
	aWAL                // a: salt in its header, 0 if none
)

// A frame of a WAL belongs to page slot%2, and counts if the header's salt is its
// own and the frame before it is the one that it follows. That of page 1 commits.
type frame struct{ salt, follows, val uint8 }

// An op is an operation in flight. It takes effect at any later time, also after
// its holder died.
type op struct {
	own, kind, on, page, val, nonce, follows uint8
	ran                                      uint8 // 1: it ran, no reply came, and it may run again
}

const (
	opPage     = 1 + iota // a page of a database is written; on is an inode
	opRecords             // the records of a journal
	opHeader              // the header of a journal
	opZero                // the header of a journal is zeroed
	opTruncate            // a journal is truncated
	opCreate              // a journal is created; on is a name
	opUnlink              // a journal is unlinked; on is a name
	opUnlinkDB            // a database is unlinked; on is a name
	opSalt                // the header of a WAL
	opFrame               // a frame of a WAL; page is its slot
)

func (o *op) byPath() bool { return o.kind >= opCreate && o.kind <= opUnlinkDB }

// A seat is one process, with one connection.
type seat struct {
	pc, sub      uint8 // where its program stands
	level        uint8 // what it believes to hold
	name         uint8 // of the file that it has open, or copies
	db, log      uint8 // its handles: inodes of the database, and of the journal or WAL
	cache, next  uint8 // history that it read or wrote last, and the one that it is writing
	why          uint8 // why it finishes a journal
	flags        uint8
	to           uint8 // name of the copy that it makes
	mark         mark
	copied       copied
	late         uint8 // its swap that is in flight
	salt, frames uint8 // WAL: its salt, and how many frames are committed
	saw          uint8 // history that was acknowledged when it began to read
}

const (
	permitted  = 1 << iota // a register read showed it in since its journal is there
	second                 // page 1 was copied or read first
	caching                // cache is trusted if the change counter is the same
	restored               // the WAL is in the database
	unverified             // WAL: the latest commit was not verified yet
)

// A mark is a [fence.Mark] in few bytes.
type mark struct{ journal, header, wal, salt uint8 }

// copied is what a copier has read.
type copied struct {
	page [2]uint8
	log  inode // journal or WAL; zero if there is none
}

// Histories. A page holds the transactions that it went through, the latest in
// the lowest digit; their number is SQLite's change counter.

func appended(history, tx uint8) uint8 { return history<<2 | tx }

func counter(history uint8) (n uint8) {
	for ; history > 0; history >>= 2 {
		n++
	}
	return n
}

// follows reports whether history went through all of earlier.
func follows(history, earlier uint8) bool {
	for counter(history) > counter(earlier) {
		history >>= 2
	}
	return history == earlier
}

// has reports whether history went through one of the transactions of a set.
func has(history, set uint8) bool {
	for ; history > 0; history >>= 2 {
		if set&(1<<(history&3)) != 0 {
			return true
		}
	}
	return false
}
