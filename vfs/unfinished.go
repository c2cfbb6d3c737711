package vfs

import "github.com/holdfastdb/holdfast/locking"

// Unfinished reports whether a transaction of this connection failed and its journal is
// still to be played back, as after one that filled the disk. SQLite leaves that to
// whoever reads the database next. Over a lease that may be too late: the disk is full
// for the register as well, and once the lease expired others need room for a copy.
func (f *File) Unfinished() bool {
	return f.unfinished && f.db.leased && f.dead() == nil && f.lock.Level() == locking.None
}
