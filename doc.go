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
// [database/sql.Conn.Raw] gives out. ATTACH gets the same locks, whatever the pool's own
// database is, unless its own URI names another VFS, as with vfs=os: that goes past them.
// go-sqlite3's own Open gets them through vfs=holdfast.
//
// Extensions such as FTS5 and R*Tree are packages of go-sqlite3. Without them a table that
// needs one says "no such module": [Options.Init] adds them to each connection of a pool,
// as in Init: fts5.Register, and sqlite3.AutoExtension to each one of the program.
//
// # Data source names
//
// A data source name is a path, taken literally, or a file: URI with parameters:
//
//	lock     which lock: flock, leasefile, leasefile:///some/directory, auto; with their packages k8s://NAMESPACE/NAME and s3://BUCKET/KEY
//	ttl      how long a lease outlives the silence of its holder: 15s
//	renew    time between renewals: a third of ttl
//	guard    how long before the ttl a holder stops by itself: a tenth of ttl
//	poll     how often a holder looks whether others ask: 100ms
//	idle     how long an unused lease is kept: ttl
//	sticky   off gives the lease up behind each transaction, unless another follows at once
//	timeout  bound on one operation of the lock's storage: a third of ttl
//	fence    off does without the fence: see below
//	verify   read asks after each read transaction too whether the lease still stands; commit, the default, only before a commit is acknowledged
//	fs       which file system has the files: wasm:///path/to/plugin.wasm?PARAMETERS, with package wasmplugins; it needs lock
//
// A lock URL may carry the others as its own parameters, as in
// leasefile?ttl=30s; those of the data source name win. Only verify has its place in
// the data source name alone. One that nobody knows is an error. A database in memory has no
// lock; one that is attached to it has. Of SQLite's own parameters mode=ro&nolock=1 and
// immutable=1 read without any lock, at your own risk.
//
// A pool whose name has fs opens the file system with its first connection, and closes it
// after the last one. ATTACH in such a pool finds its files there too, and must name a
// lock; ATTACH and go-sqlite3's own Open cannot choose a file system themselves.
//
// Without lock the environment variable HOLDFAST_LOCK says which, and without that
// it is auto: leasefile if a lease lies beside the database already or its file
// system is shared between hosts (NFS, SMB, FUSE and the like), else flock. Lease
// parameters beside auto mean nothing when it takes flock; beside lock=flock they
// are an error. Everybody who opens a database must come to the same lock, and agree on
// the fence. Within one process a second opening that names another lock or another
// setting of it is refused. auto does not choose for a database whose marker,
// app.db.holdfast, says that it has a lease elsewhere, and flock refuses it.
//
// # What is promised
//
// Each open database has a grade, logged once when it is opened: see
// [locking.Grade]. Under kernel (flock) the kernel of this host excludes other
// processes. A lease is fenced: whatever a stale process still does, the database is
// never corrupted, and no commit that was acknowledged is lost. With fence=off its grade
// is lease, which holds only if no write takes effect later than the guard interval
// after its holder's deadline.
//
// Under the fence a commit is acknowledged only after the lock's storage said that the
// lease still stands. Who takes over from a process that expired in the middle of its
// work goes on in a copy, such as app.db@18-3fa9c2d1; the database is opened by its plain
// name all the same. [Status] tells which file it is, [Settle] brings the plain name
// back, and [Adopt] is for a lock whose storage was lost. A lease needs room for one more
// copy of the database.
//
// Errors are SQLite's, joined with what was behind them. [HeldError] names who
// holds the database behind sqlite3.BUSY. Only connections that share a WAL are in each
// other's way without it, by locks of the WAL: a bare sqlite3.BUSY is a writer, and
// sqlite3.BUSY_SNAPSHOT says that somebody wrote since the transaction began to read, so that
// it has to be rolled back and run again. A context that ends in a wait for a lock,
// that of a COMMIT included, comes back as context.DeadlineExceeded or Canceled.
// [ErrLost] says that the lease was lost: the transaction is undone, unless it was the
// commit that failed so, whose outcome is then unknown to this process: look for it on a
// new connection. Nothing on the old one works any more, and the pool replaces it.
//
// In WAL mode under a lease one process has the database for as long as it has
// connections to it. When another one asks, idle connections of the pool are
// closed, and those in use when they are put back, so that the processes take
// turns. Settings that a program made on such a connection by hand, and what it has in
// memory, are gone with it: make them with _pragma or [Options.Init]. A connection inside
// a transaction, or in locking_mode=EXCLUSIVE, is left alone.
//
// # Not promised
//
// Writers take turns; there are never two at once. A process that was paused, and whose
// clock did not notice, may read old data, or parts of two states, until it next asks:
// verify=read has it ask before a read is over. Under the fence journal_mode MEMORY and
// OFF are refused, and so is a transaction that writes to several attached databases
// with rollback journals; if the main one is in memory or temporary, SQLite commits each of
// them for itself. A backup by SQLite's backup API writes its destination
// without our locks, unless that is named by a URI with vfs=holdfast.
package holdfast
