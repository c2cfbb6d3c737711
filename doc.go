// Package holdfast is a database/sql driver for SQLite whose locks are pluggable:
// those of the kernel on a local disk, or a lease where several hosts share the
// file system.
//
//	import _ "github.com/holdfastdb/holdfast"
//
//	db, err := sql.Open("holdfast", "file:/data/app.db?lock=leasefile&ttl=15s")
//
// The import registers the driver "holdfast" and a SQLite VFS of the same name. It
// stands on go-sqlite3, whose own parameters keep working (_pragma, _txlock,
// _timefmt), as do its savepoints, its time formats and its connection, which
// [database/sql.Conn.Raw] gives out. ATTACH and go-sqlite3's own Open get the same
// locks through vfs=holdfast.
//
// # Data source names
//
// A data source name is a path, taken literally, or a file: URI with parameters:
//
//	lock     which lock: flock, leasefile, leasefile:///some/directory, auto …
//	ttl      how long a lease outlives the silence of its holder: 15s
//	renew    time between renewals: a third of ttl
//	guard    how long before the ttl a holder stops by itself: a tenth of ttl
//	poll     how often a holder looks whether others ask: 100ms
//	idle     how long an unused lease is kept: ttl
//	sticky   off gives the lease up behind each transaction, unless another follows at once
//	timeout  bound on one operation of the lock's storage: a third of ttl
//
// A lock URL may carry the others as its own parameters, as in
// leasefile?ttl=30s; those of the data source name win. One that nobody knows is
// an error. A database in memory has no lock.
//
// Without lock the environment variable HOLDFAST_LOCK says which, and without that
// it is auto: leasefile if a lease lies beside the database already or its file
// system is shared between hosts (NFS, SMB, FUSE and the like), else flock. Lease
// parameters beside auto mean nothing when it takes flock; beside lock=flock they
// are an error. Everybody who opens a database must come to the same lock. Within
// one process a second opening that names another lock or another ttl is refused.
//
// # What is promised
//
// Each open database has a grade, logged once when it is opened: see
// [locking.Grade]. Under kernel (flock) the kernel of this host excludes other
// processes. Under lease, exclusion holds if no write takes effect later than the
// guard interval after its holder's deadline.
//
// Errors are SQLite's, joined with what was behind them. [HeldError] names who
// holds the database behind sqlite3.BUSY. A context that ends in a wait for a lock,
// that of a COMMIT included, comes back as context.DeadlineExceeded or Canceled.
// [ErrLost] says that the lease was lost: the transaction is undone, nothing on
// that connection works any more, and the pool replaces it.
//
// In WAL mode under a lease one process has the database for as long as it has
// connections to it. When another one asks, idle connections of the pool are
// closed, and those in use when they are put back, so that the processes take
// turns. Settings that a program made on such a connection by hand are gone with
// it: make them with _pragma or [Options.Init]. A connection inside a transaction,
// or in locking_mode=EXCLUSIVE, is left alone.
//
// # Not promised
//
// Writers take turns; there are never two at once. A lease cannot stop a paused
// process from writing late. A backup by SQLite's backup API writes its destination
// without our locks, unless that is named by a URI with vfs=holdfast.
package holdfast
