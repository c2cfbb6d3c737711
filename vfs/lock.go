package vfs

import (
	"context"
	"errors"
	"fmt"

	"github.com/holdfastdb/holdfast/locking"
	"github.com/ncruces/go-sqlite3"
	sqlitevfs "github.com/ncruces/go-sqlite3/vfs"
)

// SetDB is called by go-sqlite3 when it opened the database; db is a
// [*sqlite3.Conn]. The interrupt context of that connection is what lets a
// deadline end a wait for a lock.
func (f *File) SetDB(db any) { f.conn, _ = db.(*sqlite3.Conn) }

// BusyHandler is called by go-sqlite3 with the connection's busy handler.
//
// https://sqlite.org/c3ref/busy_handler.html
func (f *File) BusyHandler(handler func() bool) { f.busy = handler }

func (f *File) context() context.Context {
	if f.conn == nil {
		return context.Background()
	}
	return f.conn.GetInterrupt()
}

// level reads SQLite's number of a level, which is ours.
func level(lock sqlitevfs.LockLevel) locking.Level { return locking.Level(lock) }

// LockState returns the level held.
func (f *File) LockState() sqlitevfs.LockLevel { return sqlitevfs.LockLevel(f.lock.Level()) }

// Lock raises the level to SHARED, RESERVED or EXCLUSIVE.
//
//	from             to         waits   with
//	NONE             SHARED     yes     busy handler
//	SHARED           RESERVED   no      (the holder may be waiting for this reader)
//	SHARED           EXCLUSIVE  no      (a hot journal, which two may have found; or a WAL's end)
//	RESERVED, PENDING EXCLUSIVE yes     busy handler
//
// https://sqlite.org/c3ref/io_methods.html
func (f *File) Lock(lock sqlitevfs.LockLevel) error {
	to, from := level(lock), f.lock.Level()
	if err := f.dead(); err != nil {
		return f.refuse(err, sqlite3.IOERR_LOCK)
	}
	if from >= to {
		return nil
	}
	var err error
	switch {
	case from == locking.None && to != locking.Shared, to.Writing() && f.readOnly:
		err = fmt.Errorf("%v cannot be taken from %v here", to, from)
	case to == locking.Shared:
		err = f.enter()
	default:
		err = f.climb(from, to)
	}
	if err == nil {
		f.refused = nil
	}
	return f.refuse(err, sqlite3.IOERR_LOCK)
}

// take raises the level by the lock, whose wait ends with the caller's deadline.
func (f *File) take(to locking.Level, again func() bool) error {
	ctx := f.context()
	err := f.lock.Lock(ctx, to, again)
	switch {
	case errors.Is(err, locking.ErrLost):
		return f.die(err)
	case err == nil, ctx.Err() == nil:
		return err
	}
	// The busy handler of go-sqlite3 gives up too when the context ends, so this may
	// still be the error of a lock that is held. The deadline is what the caller asks for.
	for _, why := range []error{context.Cause(ctx), ctx.Err()} {
		if !errors.Is(err, why) {
			err = fmt.Errorf("%w: %w", why, err)
		}
	}
	// It may have ended before anybody answered this question: then whoever was in the
	// way of the one before, under the same deadline, is whom it was waiting for.
	var held *locking.HeldError
	if r := f.refused; r != nil && r.ctx == ctx && !errors.As(err, &held) && errors.As(r.cause, &held) {
		err = fmt.Errorf("%w: %w", err, held)
	}
	return err
}

// climb raises a level that is held.
func (f *File) climb(from, to locking.Level) error {
	if f.db.leased {
		// It may be known only since it was opened under the lease.
		if err := f.body().writable(); err != nil {
			return err
		}
	}
	again := f.busy
	if from == locking.Shared && !f.retries() {
		again = nil
	}
	err := f.take(to, again)
	if !f.lock.Level().Writing() { // a failed climb to EXCLUSIVE may have left PENDING
		return err
	}
	if !f.db.writer.CompareAndSwap(nil, f) && f.db.writer.Load() != f {
		// Another connection here lost its lease while it was writing and has not
		// noticed. Until it has, it might still take our journal for its own.
		f.lock.Unlock(locking.Shared)
		return fmt.Errorf("%w by a connection of this process that lost its lease and has not ended its transaction", locking.ErrHeld)
	}
	return err
}

// retries reports whether SQLite begins again from nothing when a climb from SHARED
// fails. It does not where the transaction has read before.
func (f *File) retries() bool {
	return f.conn != nil && f.conn.TxnState("") == sqlite3.TXN_NONE
}

// enter takes SHARED from nothing, and finds out what happened meanwhile.
func (f *File) enter() error {
	for {
		if err := f.take(locking.Shared, f.busy); err != nil {
			return f.sole.explain(err)
		}
		at, err := f.db.arrive(f.lock)
		if err != nil {
			err = f.blame(err)
			f.lock.Unlock(locking.None)
			return err
		}
		f.at, f.read, f.unfinished = at, false, false
		changes := f.lock.Changes()
		if f.entered && f.seen != changes {
			f.stale = true
			f.sole.close() // others' index has another name by now
		}
		f.seen, f.entered = changes, true
		if f.sole.settled() {
			return nil
		}
	}
}

// Unlock lowers the level to SHARED or NONE. It succeeds on a dead connection.
func (f *File) Unlock(lock sqlitevfs.LockLevel) error {
	to := level(lock)
	if f.lock.Level() <= to {
		return nil
	}
	if f.dead() == nil {
		if err := f.handOver(); err != nil {
			// The commit was acknowledged already. Nobody may rely on this connection.
			f.die(err)
		}
	}
	if to == locking.None && f.verifyReads && f.read && f.dead() == nil {
		f.verify()
	}
	f.leaveSuper()
	f.leave.forget()
	f.sole.unlocking(f.lock.Level())
	f.db.writer.CompareAndSwap(f, nil)
	return f.refuse(f.unlock(to), sqlite3.IOERR_UNLOCK)
}

// unlock lowers the level by the lock. Without one, the database may be another file.
func (f *File) unlock(to locking.Level) error {
	err := f.lock.Unlock(to)
	if to == locking.None {
		f.db.depart(f.at)
		f.at = nil
	}
	return err
}

// CheckReservedLock reports whether anybody holds RESERVED or more.
func (f *File) CheckReservedLock() (bool, error) {
	err := f.dead()
	held := false
	if err == nil {
		held, err = f.lock.Reserved(f.context())
	}
	return held, f.refuse(err, sqlite3.IOERR_CHECKRESERVEDLOCK)
}
