package flock

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync/atomic"
	"time"

	"github.com/holdfastdb/holdfast/locking"
)

// A lock is the [locking.Lock] of one connection. It has a descriptor of its own,
// since that is what the kernel's locks belong to.
type lock struct {
	locker *locker
	level  atomic.Uint32 // a locking.Level; written by whose turn it is
	lost   atomic.Bool   // what was held is gone

	// turn is full while somebody makes system calls on the file: the goroutine of
	// the connection, or one that closes the locker. Nobody sleeps with it.
	turn     chan struct{}
	file     *os.File // nil until it exists; guarded by turn
	writable bool     // guarded by turn
	closed   bool     // guarded by turn
}

var _ locking.Lock = (*lock)(nil)

// Level implements [locking.Lock].
func (k *lock) Level() locking.Level { return locking.Level(k.level.Load()) }

func (k *lock) set(level locking.Level) { k.level.Store(uint32(level)) }

// Epoch implements [locking.Lock]. There are none: it is 0.
func (k *lock) Epoch() locking.Epoch { return 0 }

// Changes implements [locking.Lock]. The kernel caches what others write: it is 0.
func (k *lock) Changes() uint64 { return 0 }

// Verify, Doubt and Current: the kernel does not take a lock away.

func (k *lock) Verify() error            { return nil }
func (k *lock) Doubt(error) error        { return nil }
func (k *lock) Current() locking.Current { return locking.Current{} }

// Check implements [locking.Lock]. The kernel takes nothing away, so it fails only
// after something was closed that held a level.
func (k *lock) Check() error {
	if k.lost.Load() {
		return fmt.Errorf("flock: locks of %q were given up while a connection held them: %w", k.locker.database, locking.ErrLost)
	}
	return nil
}

// How long a wait for others lasts before the next try. The kernel could wake one
// who waits, but not one who must also give up at some moment.
const (
	firstPause = time.Millisecond
	maxPause   = 10 * time.Millisecond
)

// Lock implements [locking.Lock]. From Shared it never waits, not for Exclusive
// either: of two readers that both found a hot journal each would wait for the
// other to leave.
func (k *lock) Lock(ctx context.Context, level locking.Level, again func() bool) error {
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		err := k.try(level)
		if !errors.Is(err, errBusy) {
			return err
		}
		giveUp := k.Level() == locking.Shared || again == nil || !again()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if giveUp {
			return k.heldError(level)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// try makes one attempt at a level. It returns errBusy if somebody is in the way.
func (k *lock) try(level locking.Level) error {
	k.begin()
	defer k.done()
	have := k.Level()
	switch {
	case k.lost.Load():
		return k.Check()
	case k.closed:
		return locking.ErrClosed
	case level <= have:
		return nil
	case !legal(have, level):
		return fmt.Errorf("flock: lock from %v to %v is not a move of SQLite's", have, level)
	}
	if err := k.open(); err != nil {
		return err
	}
	if level.Writing() && !k.writable {
		return fmt.Errorf("flock: lock %q at %v: the file may only be read: %w", k.locker.database, level, fs.ErrPermission)
	}
	return k.wrap(level, k.climb(have, level))
}

func legal(from, to locking.Level) bool {
	switch to {
	case locking.Shared:
		return from == locking.None
	case locking.Reserved:
		return from == locking.Shared
	case locking.Exclusive:
		return from >= locking.Shared
	}
	return false
}

// climb makes SQLite's moves:
//
//	from      to         first             then                if somebody is in the way
//	NONE      SHARED     look at PENDING   read-lock SHARED    NONE
//	SHARED    RESERVED   -                 write-lock RESERVED SHARED
//	SHARED    EXCLUSIVE  -                 write-lock SHARED   SHARED: a hot journal needs no PENDING
//	RESERVED  EXCLUSIVE  write-lock PENDING write-lock SHARED  RESERVED, or PENDING until it is lowered
//	PENDING   EXCLUSIVE  -                 write-lock SHARED   PENDING
//
// https://sqlite.org/lockingv3.html#how_to_corrupt
func (k *lock) climb(have, want locking.Level) error {
	r := ranges{k.file}
	var err error
	switch {
	case want == locking.Shared:
		err = r.enter()
	case want == locking.Reserved:
		err = r.reserve()
	case have == locking.Reserved:
		if err = r.pend(); err != nil {
			break
		}
		have = locking.Pending
		k.set(have)
		fallthrough
	default:
		err = r.exclude(have)
	}
	if err == nil {
		k.set(want)
	}
	return err
}

// Unlock implements [locking.Lock].
func (k *lock) Unlock(level locking.Level) error {
	if level > locking.Shared {
		return fmt.Errorf("flock: unlock to %v is not a move of SQLite's", level)
	}
	k.begin()
	defer k.done()
	have := k.Level()
	if have <= level {
		return nil
	}
	k.set(level)
	r := ranges{k.file}
	if level == locking.None {
		return k.wrap(level, r.leave(have))
	}
	return k.wrap(level, r.lower(have))
}

// Reserved implements [locking.Lock].
func (k *lock) Reserved(context.Context) (bool, error) {
	k.begin()
	defer k.done()
	switch {
	case k.closed:
		return false, locking.ErrClosed
	case k.Level().Writing():
		return true, nil
	}
	if err := k.open(); err != nil {
		return false, err
	}
	held, err := ranges{k.file}.reserved()
	return held, k.wrap(locking.Reserved, err)
}
