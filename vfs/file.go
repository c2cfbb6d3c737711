package vfs

import (
	"errors"
	"io"
	"runtime"
	"sync/atomic"

	"github.com/holdfastdb/holdfast/locking"
	"github.com/ncruces/go-sqlite3"
	sqlitevfs "github.com/ncruces/go-sqlite3/vfs"
)

// A File is one connection's main database. SQLite uses it on one goroutine at a
// time; [File.Lost] may be called on any.
type File struct {
	db       *database
	lock     locking.Lock
	readOnly bool
	psow     bool
	keepWAL  bool

	conn    *sqlite3.Conn // set once SQLite has it
	busy    func() bool   // SQLite's busy handler
	lost    atomic.Pointer[error]
	refused *refusal // the last one, until a lock succeeds
	closed  bool

	committing bool // a loss now leaves the outcome of the commit unknown

	at      *body  // the database, from SHARED on; nil without a level
	seen    uint64 // the Lock.Changes at the last SHARED
	entered bool   // seen is set
	stale   bool   // SQLite must be told to drop its cache

	sole *wal
	mmap sqlitevfs.MemoryMapper // nil where mapping is not allowed

	leave       permission // to finish the rollback journal
	finished    bool       // a journal was finished since the lease was last verified
	unfinished  bool       // a journal was closed that would be played back, and nobody came in since
	read        bool       // something was read since the lease was last verified
	verifyReads bool       // URI parameter verify=read

	sides []*sideFile // open journal and WAL
	super string      // super-journal under which it commits
}

var (
	_ sqlitevfs.FileLockState          = (*File)(nil)
	_ sqlitevfs.FileHasMoved           = (*File)(nil)
	_ sqlitevfs.FileSizeHint           = (*File)(nil)
	_ sqlitevfs.FilePersistWAL         = (*File)(nil)
	_ sqlitevfs.FilePowersafeOverwrite = (*File)(nil)
	_ sqlitevfs.FileCommitPhaseTwo     = (*File)(nil)
	_ sqlitevfs.FileSync               = (*File)(nil)
	_ sqlitevfs.FileBusyHandler        = (*File)(nil)
	_ sqlitevfs.FilePragma             = (*File)(nil)
	_ sqlitevfs.FileSharedMemory       = (*File)(nil)
	_ sqlitevfs.FileMemoryMapper       = (*File)(nil)
)

func newFile(d *database, lock locking.Lock, flags sqlitevfs.OpenFlag) *File {
	f := &File{db: d, lock: lock, psow: true, readOnly: flags&sqlitevfs.OPEN_READONLY != 0}
	f.sole = newWAL(f, flags)
	f.mmap = newMapper(d, flags)
	return f
}

// body returns the file that is the database for this connection.
func (f *File) body() *body {
	if f.at != nil {
		return f.at
	}
	return f.db.body.Load()
}

// ReadAt reads the database. Under a level, what was read counts only if the
// level was certain afterwards.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	if err := f.dead(); err != nil {
		return 0, f.refuse(err, sqlite3.IOERR_READ)
	}
	held := f.lock.Level() > locking.None
	n, err := f.body().read(p, off, held)
	if held {
		if lost := f.check(); lost != nil {
			return 0, f.refuse(lost, sqlite3.IOERR_READ)
		}
	}
	if err != nil && err != io.EOF {
		return n, f.refuse(err, sqlite3.IOERR_READ)
	}
	f.read = f.read || held
	f.spoilVersion(p, off)
	return n, err
}

// WriteAt writes to the database, while the level is certain.
func (f *File) WriteAt(p []byte, off int64) (int, error) {
	if err := f.check(); err != nil {
		return 0, f.refuse(err, sqlite3.IOERR_WRITE)
	}
	if f.lock.Level() == locking.None {
		return 0, f.refuse(errNoLevel, sqlite3.IOERR_WRITE)
	}
	if err := f.protect(); err != nil {
		return 0, f.refuse(err, sqlite3.IOERR_WRITE)
	}
	n, err := f.body().write(p, off)
	return n, f.refuse(f.doubt(err), sqlite3.IOERR_WRITE)
}

// errNoLevel is for a program that has talked SQLite out of its locks.
var errNoLevel = errors.New("nothing is written without a lock")

// Truncate cuts the database, while the level is certain.
func (f *File) Truncate(size int64) error {
	if err := f.check(); err != nil {
		return f.refuse(err, sqlite3.IOERR_TRUNCATE)
	}
	return f.refuse(f.doubt(f.body().truncate(size)), sqlite3.IOERR_TRUNCATE)
}

// Sync makes what was written durable, while the level is certain.
func (f *File) Sync(flags sqlitevfs.SyncFlag) error {
	if err := f.check(); err != nil {
		return f.refuse(err, sqlite3.IOERR_FSYNC)
	}
	err := f.body().sync(durabilityOf(flags, false))
	return f.refuse(f.doubt(err), sqlite3.IOERR_FSYNC)
}

// SizeHint sets space aside, while the level is certain.
func (f *File) SizeHint(size int64) error {
	if err := f.check(); err != nil {
		return f.refuse(err, sqlite3.IOERR_TRUNCATE)
	}
	return f.refuse(f.body().allocate(size), sqlite3.IOERR_TRUNCATE)
}

// Size returns the size of the database in bytes.
func (f *File) Size() (int64, error) {
	if err := f.dead(); err != nil {
		return 0, f.refuse(err, sqlite3.IOERR_FSTAT)
	}
	size, err := f.body().size(f.lock.Level() > locking.None)
	return size, f.refuse(err, sqlite3.IOERR_FSTAT)
}

// HasMoved reports whether the name leads to another file now, or to none.
func (f *File) HasMoved() (bool, error) {
	moved, err := f.body().moved()
	if moved && f.db.fenced && f.lock.Level() > locking.None {
		err = f.verify() // if the lease is lost, that is why
	}
	return moved, f.refuse(err, sqlite3.IOERR_FSTAT)
}

// SyncSuper notes the super-journal whose removal commits the transaction over
// several databases of which this one is part: [VFS.Delete] asks all of them.
func (f *File) SyncSuper(super string) error {
	if super != "" && f.db.fenced {
		return f.refuse(errSuper, sqlite3.IOERR_FSYNC)
	}
	if super != "" {
		f.super = super
		f.db.vfs.joinSuper(super, f)
	}
	return nil
}

// CommitPhaseTwo is where SQLite has finished a commit and not told anybody: the
// last moment to find that the lease was lost on the way. Over a fence the commit is
// made durable, and the lease verified.
func (f *File) CommitPhaseTwo() error {
	f.committing = true
	defer func() { f.committing = false }()
	err := f.check()
	if err == nil {
		err = f.commit()
	}
	if err == nil {
		err = f.check() // that may have taken a while
	}
	return f.refuse(err, sqlite3.IOERR_FSYNC)
}

// Close ends the connection's use of the database. It gives up what the
// connection holds; the last one gives up what the process holds.
func (f *File) Close() error {
	if f.closed {
		return nil
	}
	f.closed = true
	err := f.tidy()
	if e := f.Unlock(sqlitevfs.LOCK_NONE); err == nil {
		err = e
	}
	f.die(locking.ErrClosed)
	f.sole.close()
	if e := f.lock.Close(); err == nil {
		err = e
	}
	f.db.vfs.leave(f.db)
	return err
}

// SectorSize is what SQLite assumes of today's disks.
func (f *File) SectorSize() int { return 4096 }

// DeviceCharacteristics tells SQLite what it may rely on.
//
// https://sqlite.org/c3ref/c_iocap_atomic.html
func (f *File) DeviceCharacteristics() sqlitevfs.DeviceCharacteristic {
	return f.characteristicsOn(runtime.GOOS)
}

func (f *File) characteristicsOn(system string) sqlitevfs.DeviceCharacteristic {
	can := sqlitevfs.IOCAP_SUBPAGE_READ
	if f.psow {
		can |= sqlitevfs.IOCAP_POWERSAFE_OVERWRITE
	}
	// It would keep a journal open, and write to it again, from one SHARED to the next.
	// Over a lease another host may have been in meanwhile: the journal was closed, and
	// the database may be another file.
	if system == "windows" && !f.db.leased {
		can |= sqlitevfs.IOCAP_UNDELETABLE_WHEN_OPEN
	}
	return can
}

// PowersafeOverwrite returns what the URI parameter psow said.
func (f *File) PowersafeOverwrite() bool { return f.psow }

// SetPowersafeOverwrite is for SQLite.
func (f *File) SetPowersafeOverwrite(psow bool) { f.psow = psow }

// PersistWAL reports whether the WAL stays when the last connection leaves.
func (f *File) PersistWAL() bool { return f.keepWAL }

// SetPersistWAL is for SQLite.
func (f *File) SetPersistWAL(keep bool) { f.keepWAL = keep }

// Path returns the absolute path of the database, free of symbolic links.
func (f *File) Path() string { return f.db.path }

// Locker returns the locks that all connections of this process to the database share.
func (f *File) Locker() locking.Locker { return f.db.locker }

// Grade returns what the locks promise.
func (f *File) Grade() locking.Grade { return f.db.locker.Grade() }

// Level returns the level that the connection holds.
func (f *File) Level() locking.Level { return f.lock.Level() }

// Epoch returns the epoch under which the level is held: see [locking.Lock].
func (f *File) Epoch() locking.Epoch { return f.lock.Epoch() }
