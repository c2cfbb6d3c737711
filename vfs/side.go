package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ncruces/go-sqlite3"
	sqlitevfs "github.com/ncruces/go-sqlite3/vfs"
)

// A sideFile is a rollback journal, a WAL or a super-journal. The first two
// belong to a connection, and die with it.
type sideFile struct {
	owner   *File // nil for a super-journal
	body    *body // nil for a super-journal
	files   fileSystem
	name    string // of the file, which is not always what SQLite calls it
	flags   sqlitevfs.OpenFlag
	content handle
	kept    bool // content is that of a keptJournal
	named   bool // its name is durable
	dirty   bool // written and not synced since

	begun  bool // a journal: a header was written, and it is not finished
	hot    bool // a journal: as far as its header goes it would be played back
	synced bool // a journal: since it was begun
}

func (v *VFS) openSide(name *sqlitevfs.Filename, flags sqlitevfs.OpenFlag) (sqlitevfs.File, sqlitevfs.OpenFlag, error) {
	s := &sideFile{files: v.files, name: name.String(), flags: flags}
	side := ""
	if flags&(sqlitevfs.OPEN_MAIN_JOURNAL|sqlitevfs.OPEN_WAL) != 0 {
		if s.owner = unwrap(name.DatabaseFile()); s.owner == nil {
			return nil, flags, fmt.Errorf("vfs: open %q: its database is not open here", s.name)
		}
		s.body, side = s.owner.body(), strings.TrimPrefix(s.name, s.owner.db.path)
		s.name = s.body.path + side
	} else if err := v.opensSuper(s.name); err != nil {
		return nil, flags, err
	}
	writes, err := s.open(v)
	if err == nil && s.isWAL() {
		err = s.checkEmpty()
	}
	if err != nil && s.owner != nil {
		err = s.owner.blame(err)
	}
	if err != nil {
		return nil, flags, s.refuse(fmt.Errorf("open %q: %w", s.name, err), sqlite3.ExtendedErrorCode(sqlite3.CANTOPEN))
	}
	if !writes || flags&sqlitevfs.OPEN_READWRITE == 0 {
		flags = readOnly(flags)
	}
	if f := s.owner; f != nil {
		if !s.kept {
			s.body.note(side, true, nil)
		}
		s.inherit()
		f.sides = append(f.sides, s)
	}
	return s, flags, nil
}

// checkEmpty verifies the lease when a WAL is begun. Whoever took the database over
// removed the one that was here, and without it SQLite would read the past.
func (s *sideFile) checkEmpty() error {
	if !s.owner.db.fenced {
		return nil
	}
	size, err := s.content.Size()
	if err == nil && size == 0 {
		err = s.owner.verify()
	}
	if err != nil {
		s.content.Close()
	}
	return err
}

// inherit takes a journal that SQLite did not ask to create for one that somebody
// left, and which SQLite plays back once it has synced it.
func (s *sideFile) inherit() {
	if s.flags&(sqlitevfs.OPEN_READWRITE|sqlitevfs.OPEN_CREATE) == sqlitevfs.OPEN_READWRITE && !s.isWAL() {
		s.begun, s.hot = true, true
		s.owner.leave.forget()
	}
}

// open opens the file, as one of the connection's that may still write.
func (s *sideFile) open(v *VFS) (writes bool, err error) {
	flag, perm := openFlag(s.flags), fs.FileMode(0666)
	if s.flags&sqlitevfs.OPEN_EXCLUSIVE != 0 {
		flag |= os.O_EXCL
	}
	creates := flag&os.O_CREATE != 0
	if err := s.check(); err != nil {
		return false, err
	}
	keeps := s.keepsJournal()
	if keeps && s.reuse() {
		return true, nil
	}
	if keeps {
		flag = flag&^os.O_RDONLY | os.O_RDWR
	}
	if s.owner != nil {
		perm = s.body.perm
	}
	s.content, writes, err = v.openOrReadOnly(s.name, flag, perm)
	if errors.Is(err, fs.ErrNotExist) && creates && s.owner != nil && s.owner.db.leased {
		// An SMB client takes a journal that another host removed for one that is
		// there, opens it without creating it, and fails: for as long as it remembers
		// the name, which is a second from the last listing. A removal makes it forget.
		// It removes nothing: the server just said so, and only we may create one now.
		v.files.remove(s.name)
		s.content, writes, err = v.openOrReadOnly(s.name, flag, perm)
	}
	switch {
	case err == nil && creates && s.owner != nil:
		likeOther(s.content, s.body.like())
	case unwritable(err) && creates && v.files.access(s.name, sqlitevfs.ACCESS_EXISTS) != nil:
		err = fmt.Errorf("%w: %w", errReadOnlyDirectory, err)
	}
	s.named = !creates
	if err == nil && keeps && writes {
		s.keep()
	}
	return writes, err
}

// check is that of the connection: what it may not do, its journal may not either.
func (s *sideFile) check() error {
	if s.owner == nil {
		return nil
	}
	return s.owner.check()
}

func (s *sideFile) refuse(err error, def sqlite3.ExtendedErrorCode) error {
	if s.owner != nil {
		return s.owner.refuse(err, def)
	}
	if err != nil {
		_, err = coded(err, def)
	}
	return err
}

func (s *sideFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := s.content.ReadAt(p, off)
	s.noteHeader(p[:n], off, err)
	if lost := s.check(); lost != nil {
		return 0, s.refuse(lost, sqlite3.IOERR_READ)
	}
	if err != nil && err != io.EOF {
		return n, s.refuse(err, sqlite3.IOERR_READ)
	}
	return n, err
}

func (s *sideFile) WriteAt(p []byte, off int64) (int, error) {
	if err := s.check(); err != nil {
		return 0, s.refuse(err, sqlite3.IOERR_WRITE)
	}
	if err := s.changes(p, off, false); err != nil {
		return 0, s.refuse(err, sqlite3.IOERR_WRITE)
	}
	n, err := s.content.WriteAt(p, off)
	s.touch()
	s.noteHeader(p, off, err)
	return n, s.refuse(s.doubt(err), sqlite3.IOERR_WRITE)
}

func (s *sideFile) Truncate(size int64) error {
	if err := s.check(); err != nil {
		return s.refuse(err, sqlite3.IOERR_TRUNCATE)
	}
	if err := s.changes(nil, size, true); err != nil {
		return s.refuse(err, sqlite3.IOERR_TRUNCATE)
	}
	err := s.content.Truncate(size)
	s.touch()
	s.noteHeader(nil, size, err)
	return s.refuse(s.doubt(err), sqlite3.IOERR_TRUNCATE)
}

// touch notes that something is to be synced. It comes after the write: another
// connection that syncs the WAL meanwhile takes what was counted before for synced.
func (s *sideFile) touch() {
	s.dirty = true
	if s.isWAL() {
		s.body.walWritten.Add(1)
	}
}

func (s *sideFile) doubt(err error) error {
	if s.owner == nil {
		return err
	}
	return s.owner.doubt(err)
}

// Sync makes the content durable and, once after it was created, the name: a
// journal that is found nowhere after a crash protects nothing.
func (s *sideFile) Sync(flags sqlitevfs.SyncFlag) error {
	if err := s.check(); err != nil {
		return s.refuse(err, sqlite3.IOERR_FSYNC)
	}
	journal := s.flags&sqlitevfs.OPEN_MAIN_JOURNAL != 0
	how := durabilityOf(flags, journal)
	if s.isWAL() {
		return s.refuse(s.syncWAL(how), sqlite3.IOERR_FSYNC)
	}
	err := s.sync(how)
	if err == nil && journal && s.begun {
		s.synced = true
		s.askLeave()
	}
	if err != nil && journal && !s.begun {
		err = fmt.Errorf("%w: %w", errUnsettled, err)
	}
	return s.refuse(s.doubt(err), sqlite3.IOERR_FSYNC)
}

func (s *sideFile) sync(how durability) error {
	if err := s.content.Sync(how); err != nil {
		return err
	}
	s.dirty = false
	if s.named {
		return nil
	}
	s.named = true
	if s.owner == nil {
		return s.files.syncDir(filepath.Dir(s.name))
	}
	err := s.owner.db.syncDir()
	if err == nil && s.kept {
		s.keptName()
	}
	return err
}

// flush syncs what SQLite did not, before another host relies on it.
func (s *sideFile) flush() error {
	if !s.dirty {
		return nil
	}
	return s.sync(durable)
}

func (s *sideFile) Size() (int64, error) {
	size, err := s.content.Size()
	if lost := s.check(); lost != nil {
		return 0, s.refuse(lost, sqlite3.IOERR_FSTAT)
	}
	return size, s.refuse(err, sqlite3.IOERR_FSTAT)
}

// Close closes the file. A WAL that stays behind may be all that another host finds
// of the last commits.
func (s *sideFile) Close() error {
	var err error
	if f := s.owner; f != nil {
		f.unfinished = f.unfinished || s.hot
		// What others committed to a WAL does not count in the header unless it changed
		// the first page: SQLite would go on with pages from before.
		f.stale = f.stale || s.isWAL()
		if f.db.leased && s.isWAL() && s.check() == nil {
			err = s.doubt(s.flush())
		}
		f.sides = slices.DeleteFunc(f.sides, func(o *sideFile) bool { return o == s })
	}
	if !s.kept {
		err = errors.Join(err, s.content.Close())
	}
	return s.refuse(err, sqlite3.IOERR_CLOSE)
}

// SQLite does not lock side files.

func (s *sideFile) Lock(sqlitevfs.LockLevel) error   { return nil }
func (s *sideFile) Unlock(sqlitevfs.LockLevel) error { return nil }
func (s *sideFile) CheckReservedLock() (bool, error) { return false, nil }

func (s *sideFile) SectorSize() int { return 4096 }

func (s *sideFile) DeviceCharacteristics() sqlitevfs.DeviceCharacteristic {
	if s.owner == nil {
		return 0
	}
	return s.owner.DeviceCharacteristics()
}
