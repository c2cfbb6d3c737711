package flock

import (
	"errors"

	"github.com/holdfastdb/holdfast/locking"
)

// A span is a range of bytes of the database file.
type span struct{ start, size int64 }

// What SQLite locks. The bytes lie in a page that holds no data, if the file is
// large enough to have it at all.
//
// https://sqlite.org/src/file?name=src/os.h
var (
	pendingByte  = span{0x40000000, 1}
	reservedByte = span{0x40000001, 1}
	sharedBytes  = span{0x40000002, 510}
	allBytes     = span{0x40000000, 512}
)

// overlaps reports whether both have a byte between first and last, inclusive.
func (s span) overlaps(first, last int64) bool { return first < s.start+s.size && s.start <= last }

// A tenant is a process that holds a level.
type tenant struct {
	pid   int // 0 if it is not known
	level locking.Level
}

// levelOf returns the level of whom a lock on the bytes from first to last,
// inclusive, belongs to. A read lock on the PENDING byte is a reader's first step.
func levelOf(write bool, first, last int64) locking.Level {
	switch {
	case write && sharedBytes.overlaps(first, last):
		return locking.Exclusive
	case write && pendingByte.overlaps(first, last):
		return locking.Pending
	case write && reservedByte.overlaps(first, last):
		return locking.Reserved
	case sharedBytes.overlaps(first, last):
		return locking.Shared
	}
	return locking.None
}

// errBusy is the answer to a try that somebody else's lock stands against.
var errBusy = errors.New("flock: busy")

// weakest returns the lowest level that another connection must have to be in the
// way of one that wants a level.
func weakest(wanted locking.Level) locking.Level {
	switch wanted {
	case locking.Shared:
		return locking.Pending
	case locking.Reserved:
		return locking.Reserved
	}
	return locking.Shared
}
