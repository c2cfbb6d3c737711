package vfs

import (
	"fmt"

	"github.com/holdfastdb/holdfast/locking"
	"github.com/ncruces/go-sqlite3"
)

// check returns nil while what the connection holds is certain. The first time
// that it is not, the connection is dead for good.
func (f *File) check() error {
	if err := f.dead(); err != nil {
		return err
	}
	if err := f.lock.Check(); err != nil {
		return f.die(err)
	}
	return nil
}

// dead returns why the connection is dead, or nil.
func (f *File) dead() error {
	if lost := f.lost.Load(); lost != nil {
		return *lost
	}
	return nil
}

func (f *File) die(cause error) error {
	if f.committing {
		cause = fmt.Errorf("the outcome of the last commit is unknown here, so look for it on a new connection: %w", cause)
	}
	cause = fmt.Errorf("vfs: database %q: %w", f.db.path, cause)
	f.lost.CompareAndSwap(nil, &cause)
	return *f.lost.Load()
}

// Lost returns an error, usually one that is [locking.ErrLost], once the
// connection is dead: nothing works on it any more, and another one must be opened.
// It looks at what is known and does not ask the lock: that happens in each
// operation.
func (f *File) Lost() error { return f.dead() }

// Check returns nil while what the connection holds is certain, and from then on
// why it is dead. It asks the lock, which does no I/O.
func (f *File) Check() error { return f.check() }

// VerifyReads confirms what a read transaction has read, where the parameter
// verify=read asked for that and the level is kept afterwards: in WAL mode and in
// locking_mode=EXCLUSIVE, where the VFS does not hear of its end. Everywhere else it
// happened when the level was given up. It returns what [File.Lost] does from then on.
func (f *File) VerifyReads() error {
	if f.verifyReads && f.dead() == nil && f.lock.Level() > locking.None {
		f.verify()
	}
	return f.dead()
}

// Cause returns why the last operation that failed did, or nil if a lock was
// taken since. [Explain] is for who has the error of SQLite.
func (f *File) Cause() error {
	if f.refused == nil {
		return nil
	}
	return f.refused.cause
}

// refuse keeps err for [Explain] and gives it the code that SQLite understands.
// A nil err is none.
func (f *File) refuse(err error, def sqlite3.ExtendedErrorCode) error {
	if err == nil {
		return nil
	}
	if err != f.dead() {
		err = fmt.Errorf("vfs: database %q: %w", f.db.path, err)
	}
	code, told := coded(err, def)
	f.refused = &refusal{err, code, f.context()}
	return told
}

// spoilVersion makes SQLite drop its cache. It compares 16 bytes of the header, the
// change counter among them, with what it saw last. But two histories can share a
// counter: after another process may have written, the answer is one that no
// database has, nor SQLite uses as its own mark for "unknown".
func (f *File) spoilVersion(p []byte, off int64) {
	if !f.stale || off != 24 || len(p) != 16 {
		return
	}
	f.stale = false
	for i := range p {
		p[i] = 0xff - byte(i>>3)
	}
}

// handOver makes everything durable that another host is about to rely on. With
// synchronous=FULL it was, and nothing happens; without, it would stay in this
// kernel's cache, and the other host would read the past.
func (f *File) handOver() error {
	if !f.db.leased {
		return nil
	}
	for _, s := range f.sides {
		if err := s.flush(); err != nil {
			return err
		}
	}
	if b := f.body(); b.dirty.Load() {
		return b.sync(durable)
	}
	return nil
}

// mayDelete refuses the removal of a side file, or of a super-journal, that a
// dead connection asks for. SQLite does not say which connection asks. But one at a
// time writes a database, and who commits under a super-journal said so.
func (v *VFS) mayDelete(name, side string, d *database) error {
	if d != nil {
		if w := d.writer.Load(); w != nil {
			return w.mayRemove(side)
		}
	}
	for _, f := range v.membersOf(name) {
		if err := f.mayRemove(""); err != nil {
			return err
		}
	}
	return nil
}

func (f *File) mayRemove(side string) error {
	err := f.check()
	if err == nil && side == sides[0] {
		err = f.finish()
	}
	return f.refuse(err, sqlite3.IOERR_DELETE)
}
