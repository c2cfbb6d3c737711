// Package flock locks a database by the kernel of this host, on the same bytes
// of the file and by the same protocol as SQLite itself. A stock sqlite3 and a
// program with this lock may have a database open at once and exclude each other.
//
// It is the lock for a local disk, and has the grade [locking.GradeKernel]: the
// kernel frees what a process held at the moment the process ends.
//
// # Not promised
//
// The kernels of two hosts do not know of each other's locks, or know of them
// only as long as a file server passes them on in time. So flock refuses a
// database that has a lease register beside it, which clients of an export would
// use. It looks for one whenever a connection is opened, not at every
// transaction: do not add the first client of an export while the server of that
// export has the database open.
//
// Other unixes than Linux and macOS have no byte-range locks that belong to an
// open file, which several connections of one process need. There [New] returns
// an error.
//
// The backend registers itself under the scheme "flock". Its URL has neither a
// path nor options.
package flock

import (
	"context"
	"fmt"
	"net/url"

	"github.com/holdfastdb/holdfast/locking"
)

// Scheme is the URL scheme under which the backend is registered.
const Scheme = "flock"

func init() { locking.RegisterBackend(Scheme, open) }

func open(_ context.Context, u *url.URL, database string, _ locking.Options) (locking.Locker, error) {
	if u.Host != "" || u.Path != "" || u.Opaque != "" || u.User != nil || u.Fragment != "" {
		return nil, fmt.Errorf("flock: %q: the database file itself is what is locked, so write just %q", u, Scheme)
	}
	if u.RawQuery != "" {
		return nil, fmt.Errorf("flock: %q: there are no options, so write just %q", u, Scheme)
	}
	return New(database)
}
