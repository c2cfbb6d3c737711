package vfs

import (
	"errors"
	"io/fs"
	"slices"
	"syscall"

	"github.com/holdfastdb/holdfast/internal/fence"
	"github.com/holdfastdb/holdfast/locking"
	"github.com/ncruces/go-sqlite3"
	sqlitevfs "github.com/ncruces/go-sqlite3/vfs"
)

// A fenced lease says by a fresh look at its register, which no stale process can
// pass, what counts:
//
//   - a commit, after its journal was finished: [File.CommitPhaseTwo];
//   - a WAL that was synced: [sideFile.syncWAL];
//   - leave to finish a rollback journal, by a look that began when that journal was
//     there: so whoever expired can finish one journal at most, and a copier sees it.
//     See [permission].

// verify asks the lease whether it still holds. A connection whose lease does not is
// dead.
func (f *File) verify() error {
	f.leave.await()
	if err := f.lock.Verify(); err != nil {
		return f.die(err)
	}
	f.finished, f.read = false, false
	return nil
}

// A permission is leave to finish the rollback journal of one connection. The look at
// the register goes on in the background while pages are written and synced.
type permission struct {
	done chan struct{} // closed when the look is over; nil if none was begun for this journal
	err  error         // settled when done is closed
}

// ask begins the look. The journal is at the storage by now.
func (p *permission) ask(verify func() error) {
	if p.done != nil {
		return
	}
	done := make(chan struct{})
	p.done = done
	go func() {
		defer close(done)
		p.err = verify()
	}()
}

// await waits for a look that was begun.
func (p *permission) await() {
	if p.done != nil {
		<-p.done
	}
}

// forget ends what was asked for, and what was given: another journal needs another.
func (p *permission) forget() {
	p.await()
	p.done, p.err = nil, nil
}

// askLeave begins to ask for leave to finish a journal that has reached the storage.
func (s *sideFile) askLeave() {
	if s.hot {
		s.owner.leave.ask(s.owner.lock.Verify)
	}
}

// finish asks for leave to finish the rollback journal, which is used up by that.
func (f *File) finish() error {
	if !f.db.fenced {
		return nil
	}
	f.leave.ask(f.lock.Verify)
	f.leave.await()
	err := f.leave.err
	f.leave.forget()
	if err != nil {
		return f.die(err)
	}
	f.finished = true
	return f.check()
}

// protect refuses to write to the database where nothing at the storage could undo
// it, or repeat it. What keeps SQLite from coming here is [File.Pragma].
func (f *File) protect() error {
	if !f.db.fenced || slices.ContainsFunc(f.sides, func(s *sideFile) bool { return s.synced || s.isWAL() }) {
		return nil
	}
	return errNoJournal
}

var errNoJournal = errors.New("without a journal that is synced, a lost lease tears the database, so a fenced one cannot have journal_mode MEMORY or OFF: use another, or fence=off")

// syncWAL syncs a WAL. Over a fence it counts only when the lease was verified since.
func (s *sideFile) syncWAL(how durability) error {
	b := s.body
	written := b.walWritten.Load()
	if err := s.sync(how); err != nil {
		return s.owner.doubt(err)
	}
	if !s.owner.db.fenced || b.walVerified.Load() >= written {
		return nil
	}
	was := s.owner.committing
	s.owner.committing = true // its frames are there
	err := s.owner.verify()
	if s.owner.committing = was; err != nil {
		return err
	}
	for {
		known := b.walVerified.Load()
		if known >= written || b.walVerified.CompareAndSwap(known, written) {
			return nil
		}
	}
}

// changes is asked before a side file is written at off, or cut to off bytes. It
// keeps to what a copier relies on.
func (s *sideFile) changes(p []byte, off int64, cut bool) error {
	if s.owner == nil || !s.owner.db.fenced {
		return nil
	}
	f := s.owner
	if s.dirty && countsRecords(p) {
		// With synchronous=NORMAL they are synced together with their count. But a
		// record that is there in part can pass for whole.
		if err := s.doubt(s.sync(barrier)); err != nil {
			return err
		}
	}
	switch {
	case s.isWAL():
	case off == 0 && (cut || isZero(p)):
		s.begun, s.synced, s.hot = false, false, false
		return f.finish()
	case off == 0:
		if !s.begun {
			s.begun, s.synced = true, false
			f.leave.forget()
		}
		s.hot = p[0] != 0 // SQLite writes the first bytes last
	}
	return nil
}

// countsRecords reports whether p is what SQLite writes over the begin of a journal's
// header when the records that follow are to count.
func countsRecords(p []byte) bool {
	return len(p) == journalCount && string(p[:len(journalMagic)]) == journalMagic
}

// isZero reports whether p is what SQLite writes over the header of a journal that
// it keeps.
func isZero(p []byte) bool {
	if len(p) != journalHeader {
		return false
	}
	for _, b := range p {
		if b != 0 {
			return false
		}
	}
	return true
}

// journalHeader is the size of what matters in the header of a rollback journal.
//
// https://sqlite.org/fileformat2.html#the_rollback_journal
const (
	journalHeader = 28
	journalMagic  = "\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"
	journalCount  = len(journalMagic) + 4 // it ends in the number of records
)

// commit makes a finished transaction count, before anybody is told of it.
func (f *File) commit() error {
	b := f.body()
	if !f.db.fenced {
		if b.wal.Load() {
			return nil
		}
		return f.handOver()
	}
	for _, s := range f.sides {
		if s.isWAL() && b.walVerified.Load() != b.walWritten.Load() {
			if err := s.syncWAL(durable); err != nil {
				return err
			}
		}
	}
	if !b.wal.Load() {
		if err := f.handOver(); err != nil {
			return f.doubt(err)
		}
	}
	if !f.finished {
		return nil
	}
	return f.verify()
}

// doubt ends the lease if it is unknown whether what failed with err took effect, or
// will: on a network file system it still can. It returns err.
func (f *File) doubt(err error) error {
	if err == nil || !f.db.fenced || f.dead() != nil || hadNoEffect(err) && !f.committing {
		return err
	}
	f.leave.await()
	if lost := f.lock.Doubt(err); lost != nil {
		return f.die(lost)
	}
	return err
}

// blame asks, when the files are not as they should be, whether that is because the
// lease was lost, and others went on. It returns that, or err.
func (f *File) blame(err error) error {
	if f.db.fenced && f.lock.Level() > locking.None && f.dead() == nil {
		if lost := f.verify(); lost != nil {
			return lost
		}
	}
	return err
}

// errUnsettled is for a journal that was finished and could not be synced then, for
// whatever reason: a disk that is full, too, says so to who syncs. Nobody can tell
// whether its transaction is committed.
var errUnsettled = errors.New("the end of a transaction may not be at the storage")

// hadNoEffect reports whether an operation that failed with err did nothing for good.
func hadNoEffect(err error) bool {
	if errors.Is(err, errUnsettled) {
		return false
	}
	for _, why := range []error{fs.ErrPermission, fs.ErrExist, fs.ErrNotExist, fs.ErrClosed, syscall.EFBIG, syscall.EINVAL} {
		if errors.Is(err, why) {
			return true
		}
	}
	return fence.IsFull(err) || fence.IsReadOnly(err) || isClosed(err)
}

// errSuper refuses a transaction over several databases: its commit point is the
// removal of a file that belongs to none of them, which no fence protects.
var errSuper = errors.New("a transaction that writes several databases cannot be fenced: write one database in each, or put these in WAL mode, where each commits for itself")

// opensSuper refuses to begin a super-journal for such a transaction, before anything
// is written.
func (v *VFS) opensSuper(name string) error {
	at := superName.FindStringIndex(name)
	if at == nil {
		return nil
	}
	if d := v.opened(name[:at[0]]); d != nil && d.fenced {
		if w := d.writer.Load(); w != nil {
			return w.refuse(errSuper, sqlite3.ExtendedErrorCode(sqlite3.ERROR))
		}
		_, err := coded(errSuper, sqlite3.ExtendedErrorCode(sqlite3.ERROR))
		return err
	}
	return nil
}

// isWAL reports which of the side files it is.
func (s *sideFile) isWAL() bool { return s.flags&sqlitevfs.OPEN_WAL != 0 }
