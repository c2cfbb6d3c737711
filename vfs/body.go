package vfs

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
)

// A body is one file that is the database, or was. Over a lease that keeps to the
// fence the database goes on in another file when a holder expired in mid-work: each
// connection stays with the body that it found when it took SHARED, whatever others
// do meanwhile, until it unlocks.
type body struct {
	db   *database
	file string      // base name, as in a record: "" is the plain name
	path string      // absolute
	perm fs.FileMode // of the file

	info    atomic.Pointer[fs.FileInfo] // of the file when it was opened: its journals get the same owner
	created atomic.Bool                 // by this process, and its name not yet synced

	// The handle of all connections. It is replaced under database.mu. Who holds a
	// level may use it without: it is replaced by another host's change only when
	// nobody does, and otherwise only by one on the same file.
	content atomic.Pointer[handle]

	pins   int             // connections that stay with it; guarded by database.mu
	spare  []handle        // replaced, but perhaps in use; guarded by database.mu
	writes bool            // content was opened for writing; guarded by database.mu
	closed bool            // content is closed until somebody comes in; guarded by database.mu
	names  map[string]bool // which of sides exist for SQLite, as far as that is certain; guarded by database.mu
	kept   *keptJournal    // nil if none is open; guarded by database.mu

	length length      // of content
	wal    atomic.Bool // in WAL mode, as last seen under a lock
	dirty  atomic.Bool // content was written and not synced since

	// How often the WAL was written, and what of that is known to count: it was
	// synced, and the lease verified afterwards.
	walWritten, walVerified atomic.Uint64
}

func (d *database) newBody(file string) *body {
	name := cmp.Or(file, filepath.Base(d.path))
	return &body{db: d, file: file, path: filepath.Join(filepath.Dir(d.path), name), perm: 0666}
}

// like returns the description of the file when it was opened, or nil if nobody asked.
func (b *body) like() fs.FileInfo {
	if info := b.info.Load(); info != nil {
		return *info
	}
	return nil
}

// current returns the open handle.
func (b *body) current() handle { return *b.content.Load() }

// reach opens the bytes, or opens them for writing too if they were not. It
// returns whether they can be written.
func (b *body) reach(flag int, perm fs.FileMode) (writes bool, err error) {
	b.db.mu.Lock()
	defer b.db.mu.Unlock()
	write := flag&os.O_RDWR != 0
	if err := b.awake(); err != nil {
		return false, err
	}
	if b.content.Load() != nil && (b.writes || !write) {
		return b.writes, nil
	}
	h, writes, err := b.db.vfs.openOrReadOnly(b.path, flag, perm)
	if err != nil {
		return false, err
	}
	if b.content.Load() != nil {
		if !writes {
			return false, h.Close()
		}
		b.spare = append(b.spare, b.current())
	}
	b.content.Store(&h)
	b.writes = writes
	return writes, nil
}

// awake opens for reading what was closed for a while. It is opened anew before anything
// is written. Called with database.mu held.
func (b *body) awake() error {
	if !b.closed {
		return nil
	}
	h, err := b.db.vfs.files.open(b.path, os.O_RDONLY, b.perm)
	if err == nil {
		b.content.Store(&h)
		b.closed = false
	}
	return err
}

// openOrReadOnly opens a file, read-only if it cannot be written, as SQLite's
// own VFS for Unix does.
func (v *VFS) openOrReadOnly(path string, flag int, perm fs.FileMode) (handle, bool, error) {
	h, err := v.files.open(path, flag, perm)
	if err == nil || flag&os.O_RDWR == 0 || !unwritable(err) {
		return h, flag&os.O_RDWR != 0, err
	}
	if h, roErr := v.files.open(path, os.O_RDONLY, perm); roErr == nil {
		return h, false, nil
	}
	return nil, false, err
}

// reopen closes the file before it opens it again. The order matters: on NFS, a
// descriptor that is open for writing goes on serving stale pages, to every other
// descriptor on the file as well, for longer than a minute.
// No connection of this process holds a level that is older than the change.
func (b *body) reopen() error { // called with database.mu held
	b.dropJournal()
	for _, h := range append(b.spare, b.current()) {
		h.Close()
	}
	b.spare = nil
	flag := os.O_RDONLY
	if b.writes {
		flag = os.O_RDWR
	}
	h, writes, err := b.db.vfs.openOrReadOnly(b.path, flag, b.perm)
	if err != nil {
		return err // the closed handle stays, so that nothing works until the next try
	}
	b.content.Store(&h)
	b.writes, b.closed = writes, false
	return nil
}

// writable returns nil if the bytes can be written.
func (b *body) writable() error {
	b.db.mu.Lock()
	defer b.db.mu.Unlock()
	if b.writes {
		return nil
	}
	return errReadOnly
}

// lookAround finds out which side files there are, and whether the database is
// in WAL mode. It lists the directory, since an NFS client goes on denying a file
// that another host created for as long as it has the directory cached. It returns
// whether there is a marker.
func (b *body) lookAround() (marked bool, err error) { // called with database.mu held
	b.names = nil
	base, marker := filepath.Base(b.path), filepath.Base(b.db.path)+markerSuffix
	found, err := b.db.vfs.files.list(filepath.Dir(b.path), func(name string) bool {
		return name == base+sides[0] || name == base+sides[1] || name == marker
	})
	if err != nil {
		return false, err
	}
	var header [20]byte
	n, err := b.current().ReadAt(header[:], 0)
	if err != nil && err != io.EOF {
		return false, err
	}
	b.names = map[string]bool{sides[0]: false, sides[1]: false}
	for _, name := range found {
		if name == marker {
			marked = true
			continue
		}
		b.names[name[len(base):]] = true
	}
	b.wal.Store(b.names[sides[1]] || saysWAL(header[:n]))
	return marked, nil
}

// saysWAL reads the file format versions of a database header.
//
// https://sqlite.org/fileformat2.html#file_format_version_numbers
func saysWAL(header []byte) bool {
	return len(header) >= 20 && (header[18] == 2 || header[19] == 2)
}

// note remembers that a side file was created or removed, or that this is
// unknown because of err.
func (b *body) note(side string, exists bool, err error) {
	b.db.mu.Lock()
	defer b.db.mu.Unlock()
	switch {
	case b.names == nil:
	case err == nil, !exists && errors.Is(err, fs.ErrNotExist):
		b.names[side] = exists
	default:
		delete(b.names, side)
	}
}

// close closes all handles. Called with database.mu held.
func (b *body) close() error {
	b.dropJournal()
	for _, h := range b.spare {
		h.Close()
	}
	b.spare = nil
	if b.content.Load() == nil {
		return nil
	}
	if err := b.current().Close(); !isClosed(err) { // reopen may have failed half-way
		return err
	}
	return nil
}

// missing says of a body that its file is not there. It loses nothing and creates
// nothing.
func (b *body) missing(err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return fmt.Errorf("its lock says that the database is %q: %w: restore it, or %w", filepath.Base(b.path), fs.ErrNotExist, ErrAdopt)
}
