package vfs

import (
	"regexp"
	"slices"
)

// A transaction over several databases commits when its super-journal is removed.
// The journal of each database names it, and is to be played back for as long as the
// super-journal is there.
//
// Whoever recovers one of the databases removes a super-journal that no other
// journal names. It takes the process that made it for dead. But over a lease that
// process may be alive, have lost one of the databases only, and be about to name
// the super-journal in the journals of the others: it would then find them
// committed. So over leases only its maker removes a super-journal. A crash leaves
// one behind, with the names of the databases in it and nothing else.
//
// https://sqlite.org/atomiccommit.html#_multi_file_commit

// superName is how SQLite calls super-journals.
var superName = regexp.MustCompile(`-mj[0-9A-F]{6}9[0-9A-F]{2}$`)

// keepsSuper reports whether name is a super-journal that is not for this process
// to remove.
func (v *VFS) keepsSuper(name string) bool {
	return v.leased.Load() && superName.MatchString(name) && len(v.membersOf(name)) == 0
}

// membersOf returns who commits under a super-journal.
func (v *VFS) membersOf(super string) []*File {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.supers[super])
}

func (v *VFS) joinSuper(super string, f *File) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.supers[super] = append(v.supers[super], f)
}

func (v *VFS) forgetSuper(super string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.supers, super)
}

// leaveSuper ends the connection's part in a transaction over several databases.
func (f *File) leaveSuper() {
	if f.super != "" {
		f.db.vfs.forgetSuper(f.super)
		f.super = ""
	}
}
