package locking

import (
	"context"
	"time"
)

// An Epoch is the fencing token: it grows with every grant of a writing level
// and never goes back.
type Epoch uint64

// A Locker arbitrates one database among all connections of this process, and
// between this process and all others. Its methods are safe for concurrent use.
type Locker interface {
	// NewLock returns a lock for one more connection, at level [None].
	// It returns [ErrClosed] after Close.
	NewLock() (Lock, error)

	// Grade says what the locks promise.
	Grade() Grade

	// Current tells where the database is, by a fresh look. It acquires nothing.
	// Locks that know no other file than the one they were opened for return the
	// zero value.
	Current(ctx context.Context) (Current, error)

	// Status tells who holds and who waits, by a fresh look. It acquires nothing.
	Status(ctx context.Context) (Status, error)

	// Close gives up whatever this process holds. It returns within a bound of its
	// own even if ctx has none, and its error says what it could not do; another
	// process then has to wait for the lease to expire.
	Close(ctx context.Context) error
}

// A Lock is one connection's place in SQLite's locking protocol. It is used by
// one goroutine at a time, except for Check and Verify, which any may call while no other
// method runs.
//
// https://sqlite.org/c3ref/io_methods.html
type Lock interface {
	// Lock raises the level to Shared, Reserved or Exclusive. A level that is held
	// already is no error. The legal moves are SQLite's: None to Shared, Shared to
	// Reserved, and Shared, Reserved or Pending to Exclusive.
	//
	// While somebody is in the way, Lock waits for as long as again returns true;
	// it is called every few milliseconds, and may itself block for a moment. With
	// a nil again Lock waits only as long as an idle holder needs to step down.
	// From Shared to Reserved it does not wait at all, since the holder may itself
	// be waiting for this reader to leave; from Shared to Exclusive no longer than an
	// idle holder needs, since two readers may both have found a hot journal. If again
	// then returns true the caller is taken to unlock and try again from None, and
	// waits there for what it lacked.
	//
	// It returns an error that is [ErrHeld] (a [*HeldError]) when it gave up, the
	// cause of ctx when that ended first (with the [*HeldError] until then), and [ErrLost] once the lease is lost.
	// With a ctx that has ended already it takes what this process holds and no other
	// connection needs, and asks nobody.
	// A climb to Exclusive that fails may leave the level at Pending.
	Lock(ctx context.Context, level Level, again func() bool) error

	// Unlock lowers the level to Shared or None. It never waits for the register.
	// It succeeds on a lost lock too.
	Unlock(level Level) error

	// Level returns the level held.
	Level() Level

	// Reserved reports whether any connection of any process holds Reserved or more:
	// then a journal of the database is in use, and not one that a crash left.
	Reserved(ctx context.Context) (bool, error)

	// Check returns nil while what this lock holds is certain, and an error that is
	// [ErrLost] from the holder's deadline on. It does no I/O. Ask before every
	// write, truncation, sync and removal, and after every read.
	Check() error

	// Epoch returns the epoch under which the process holds its present level, or
	// 0 if it holds none or the locks have no epochs.
	Epoch() Epoch

	// Verify returns nil if a look at the register that began after the call showed
	// that this lock still had its level. It is what an expired holder cannot pass
	// whose clock stood still, or whose last check was long ago. If it cannot be had
	// before the deadline of the lease, the lease is lost, and the error is [ErrLost].
	// Where nothing can be lost, it returns nil at once. It may be called on any
	// goroutine, beside Check, Level and Current, but not beside another method.
	Verify() error

	// Doubt ends the lease, because it is unknown whether something that was written
	// under it took effect, or will. Whoever comes next treats this process as one
	// that expired. It returns what Check will return: an [ErrLost] that wraps cause,
	// or nil where others need no protection.
	Doubt(cause error) error

	// Current tells where the database is under the level that this lock holds.
	// It is settled when Lock to Shared returns, and stays until Unlock to None.
	Current() Current

	// Changes returns a number that is another one each time this process came back
	// in and somebody else may have written meanwhile. When it differs from the one
	// seen before, nothing that was cached may be trusted. It is settled when Lock
	// to Shared returns.
	Changes() uint64

	// Close unlocks and ends the lock's use.
	Close() error
}

// A SoleLock is a [Lock] that can keep all other processes out, whatever its
// level. WAL needs that, since its shared memory cannot cross hosts.
type SoleLock interface {
	Lock

	// SetSole says whether from the next move away from None on, this lock keeps
	// other processes out for as long as its level is not None.
	SetSole(sole bool)
}

// An Asker is a [Locker] that can tell that another process asks for what this
// one holds.
type Asker interface {
	Locker

	// OnAsked has f called, each time on a goroutine of its own, when another
	// process asks this one to step down and a lock here stands in the way.
	// The function returned ends that; it waits for calls of f that are under way.
	OnAsked(f func()) (stop func())
}

// A Status is what is known about the locks of one database at one moment.
type Status struct {
	Grade    Grade         `json:"grade"`
	Lock     string        `json:"lock"`               // URL of the lock, such as "leasefile:///data/app.db.lease"
	Register string        `json:"register,omitempty"` // ID of the register; "" if it was never used, or there is none
	Database string        `json:"database,omitempty"` // plain base name of the database that the register says it belongs to
	File     string        `json:"file"`               // base name of the file that is the database now; "" is the plain name
	Epoch    Epoch         `json:"epoch"`              // 0 if there are none
	Holders  []StatusEntry `json:"holders"`            // highest level first
	Waiters  []StatusEntry `json:"waiters"`            // in order of arrival
	TTL      time.Duration `json:"ttl,omitempty"`      // this process's own setting
	Takeover *Takeover     `json:"takeover,omitempty"` // what is under way, or left to do, after a holder expired
	Old      []string      `json:"old,omitempty"`      // copies that nobody needs any more and that may still be there
	Removing *Holder       `json:"removing,omitempty"` // whoever set out to remove the plain name, and has not said that it is done
	Notes    []string      `json:"notes,omitempty"`    // what a person should know
}

// A StatusEntry is one process in a [Status].
type StatusEntry struct {
	Holder  Holder        `json:"holder"`
	Level   Level         `json:"level"`             // held, or wanted by a waiter
	Age     time.Duration `json:"age"`               // since it got or asked for Level, by its own clock; 0 if unknown
	TTL     time.Duration `json:"ttl,omitempty"`     // how long it stays if it falls silent; 0 for kernel locks
	Expires time.Duration `json:"expires,omitempty"` // until it expires unless it renews, at the latest
	Dead    bool          `json:"dead,omitempty"`    // proven dead on this host
}
