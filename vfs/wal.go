package vfs

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/holdfastdb/holdfast/locking"
	"github.com/ncruces/go-sqlite3"
	sqlitevfs "github.com/ncruces/go-sqlite3/vfs"
)

// A wal is what one connection needs for WAL mode. The index of a WAL lies in
// shared memory, which cannot cross hosts. So over a lease the lock keeps all other
// processes out for as long as the connection holds any level, and in WAL mode
// SQLite holds SHARED until it closes.
type wal struct {
	f         *File
	lock      locking.SoleLock // nil where the kernel's locks, which other processes share, do
	alone     bool             // the lock keeps other processes out
	switching bool             // PRAGMA journal_mode=WAL is under way

	flags sqlitevfs.OpenFlag
	shm   sqlitevfs.SharedMemory // nil until it is needed
	never sqlitevfs.SharedMemory // cannot be opened; nil if the platform has no shared memory
}

func newWAL(f *File, flags sqlitevfs.OpenFlag) *wal {
	// No file can have a name below that of a regular file.
	w := &wal{f: f, flags: flags, never: sqlitevfs.NewSharedMemory(f.db.path+"/-shm", flags)}
	if f.db.leased {
		w.lock, _ = f.lock.(locking.SoleLock)
	}
	return w
}

// settled is asked under SHARED. It reports whether the lock keeps others out if,
// and only if, the database is in WAL mode. If not, it has unlocked, and SHARED must
// be taken again, and the database looked at again.
func (w *wal) settled() bool {
	want := w.f.body().wal.Load() || w.switching
	if w.lock == nil || want == w.alone {
		return true
	}
	if !want {
		w.setAlone(false) // from the next time on, which is soon enough
		return true
	}
	w.f.unlock(locking.None)
	w.setAlone(true)
	return false
}

func (w *wal) setAlone(alone bool) {
	w.alone = alone
	w.lock.SetSole(alone)
}

// explain says of a database that is held what WAL has to do with it.
func (w *wal) explain(err error) error {
	if w.lock == nil || !errors.Is(err, locking.ErrHeld) {
		return err
	}
	if w.alone && !w.switching {
		w.setAlone(false) // it may be in another mode by the next time: look again
	}
	var header [20]byte
	n, _ := w.f.body().read(header[:], 0, false)
	if !w.switching && !saysWAL(header[:n]) {
		return err
	}
	return fmt.Errorf("%w: WAL needs the database for one process alone: close it there, or run PRAGMA journal_mode=DELETE there to share it", err)
}

// unlocking is told each time the level falls, and from where.
func (w *wal) unlocking(from locking.Level) {
	if from.Writing() {
		w.switching = false // it happened, or it failed
	}
}

// prepare makes sure that no other process is in before the database is switched
// to WAL mode: afterwards this one could not get in any more.
func (w *wal) prepare() error {
	if w.lock == nil || w.alone || w.f.lock.Level() > locking.None {
		return nil
	}
	w.switching = true
	w.setAlone(true)
	err := w.f.enter()
	if err != nil {
		w.switching = false
		w.setAlone(false)
		return err
	}
	return w.f.unlock(locking.None)
}

// SharedMemory is asked for by go-sqlite3 before each operation on the shared
// memory, and once while it opens the database, when it must not be nil. A dead
// connection gets one that fails, so that it starts no new transaction.
func (f *File) SharedMemory() sqlitevfs.SharedMemory {
	w := f.sole
	if w.never == nil {
		return nil
	}
	if f.lock.Level() > locking.None {
		if err := f.check(); err != nil {
			f.refuse(err, sqlite3.IOERR_SHMLOCK)
		} else if w.shm == nil {
			w.open()
		}
	}
	if w.shm == nil || f.dead() != nil {
		return w.never
	}
	return w.shm
}

// open decides where the shared memory is. Beside the database is where stock
// SQLite has it. Over a lease it is this process's own, under a name that changes
// whenever another host may have written: a lost connection that is still open
// must not pass its index on.
func (w *wal) open() {
	f := w.f
	_, host := f.db.vfs.files.(hostFS)
	switch {
	case !f.db.leased && host:
		w.shm = sqlitevfs.NewSharedMemory(f.db.path+"-shm", w.flags)
	case !f.db.leased, w.lock == nil && f.lock.Level() < locking.Exclusive:
		f.refuse(errNotAlone, sqlite3.ExtendedErrorCode(sqlite3.CANTOPEN))
	case !w.alone && f.lock.Level() < locking.Exclusive:
		f.refuse(errIsWAL, sqlite3.ExtendedErrorCode(sqlite3.CANTOPEN))
	default:
		dir, err := f.db.shm.make()
		if err != nil {
			f.refuse(err, sqlite3.ExtendedErrorCode(sqlite3.CANTOPEN))
			return
		}
		w.shm = sqlitevfs.NewSharedMemory(dir+"/"+strconv.FormatUint(f.seen, 10), w.flags)
	}
}

// errIsWAL is for a database whose holder died while it left WAL mode: it did not look
// like WAL when the level was taken, and does since its journal was played back.
var errIsWAL = errors.New("its recovery brought it back to WAL mode, for which it must be entered anew: try again")

var errNotAlone = errors.New("WAL needs the database for one process alone, which these locks cannot do: use PRAGMA locking_mode=EXCLUSIVE first, or another journal mode")

// close closes the shared memory, which SQLite has left by then. The next use of it opens
// what the connections of this process share at that time.
func (w *wal) close() {
	if w.shm != nil {
		w.shm.Close()
		w.shm = nil
	}
}
