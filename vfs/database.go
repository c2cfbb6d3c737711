package vfs

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/holdfastdb/holdfast/locking"
	"github.com/spf13/afero"
)

// A database is what all connections of this process to one file share.
type database struct {
	vfs     *VFS
	path    string     // the one absolute name
	params  url.Values // lock options of whoever opened it first
	modeof  string     // URI parameter of the same name
	locker  locking.Locker
	leased  bool        // other hosts may write, so nothing is known after an absence
	perm    fs.FileMode // of the database
	info    fs.FileInfo // of the database when it was opened: its journals get the same owner
	created atomic.Bool // by this process, and its name not yet synced

	refs int           // guarded by vfs.mu
	open chan struct{} // closed when opening ended
	err  error         // why opening failed; settled when open is closed
	gone chan struct{} // closed when the last connection left and the locks are closed

	// The handle of all connections. It is replaced under mu. Who holds a level may
	// use it without: it is replaced by another host's change only when nobody does,
	// and otherwise only by one on the same file.
	content atomic.Pointer[handle]

	mu      sync.Mutex
	spare   []handle        // replaced, but perhaps in use; guarded by mu
	writes  bool            // content was opened for writing; guarded by mu
	changes uint64          // the Lock.Changes that was last acted on; guarded by mu
	arrived bool            // changes is set; guarded by mu
	names   map[string]bool // which of sides exist, as far as that is certain; guarded by mu

	length length               // of content
	wal    atomic.Bool          // in WAL mode, as last seen under a lock
	dirty  atomic.Bool          // content was written and not synced since
	writer atomic.Pointer[File] // the connection that holds Reserved or more

	dir      directory
	shm      privateDir
	warnOnce sync.Once
}

// current returns the open handle.
func (d *database) current() handle { return *d.content.Load() }

// reach opens the bytes, or opens them for writing too if they were not. It
// returns whether they can be written.
func (d *database) reach(flag int, perm fs.FileMode) (writes bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	write := flag&os.O_RDWR != 0
	if d.content.Load() != nil && (d.writes || !write) {
		return d.writes, nil
	}
	h, writes, err := d.vfs.openOrReadOnly(d.path, flag, perm)
	if err != nil {
		return false, err
	}
	if d.content.Load() != nil {
		if !writes {
			return false, h.Close()
		}
		d.spare = append(d.spare, d.current())
	}
	d.content.Store(&h)
	d.writes = writes
	return writes, nil
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

// arrive is called under a level, with the Lock's Changes. If somebody else may
// have written since this process last held a level, it forgets what it knew.
func (d *database) arrive(changes uint64) error {
	if !d.leased {
		return nil // the kernel's locks, and its cache
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.arrived && d.changes == changes {
		return nil
	}
	d.length.forget()
	if err := d.reopen(); err != nil {
		return err
	}
	if err := d.lookAround(); err != nil {
		return err
	}
	d.changes, d.arrived = changes, true
	return nil
}

// reopen closes the file before it opens it again. The order matters: on NFS, a
// descriptor that is open for writing goes on serving stale pages, to every other
// descriptor on the file as well, for longer than a minute.
// No connection of this process holds a level that is older than the change.
func (d *database) reopen() error { // called with mu held
	for _, h := range append(d.spare, d.current()) {
		h.Close()
	}
	d.spare = nil
	flag := os.O_RDONLY
	if d.writes {
		flag = os.O_RDWR
	}
	h, err := d.vfs.files.open(d.path, flag, d.perm)
	if err != nil {
		return err // the closed handle stays, so that nothing works until the next try
	}
	d.content.Store(&h)
	return nil
}

// lookAround finds out which side files there are, and whether the database is
// in WAL mode. It lists the directory, since an NFS client goes on denying a file
// that another host created for as long as it has the directory cached.
func (d *database) lookAround() error { // called with mu held
	d.names = nil
	dir, base := filepath.Split(d.path)
	found, err := d.vfs.files.list(dir, base+sides[0], base+sides[1])
	if err != nil {
		return err
	}
	var header [20]byte
	n, err := d.current().ReadAt(header[:], 0)
	if err != nil && err != io.EOF {
		return err
	}
	d.names = map[string]bool{sides[0]: found[base+sides[0]], sides[1]: found[base+sides[1]]}
	d.wal.Store(d.names[sides[1]] || saysWAL(header[:n]))
	return nil
}

// saysWAL reads the file format versions of a database header.
//
// https://sqlite.org/fileformat2.html#file_format_version_numbers
func saysWAL(header []byte) bool {
	return len(header) >= 20 && (header[18] == 2 || header[19] == 2)
}

// note remembers that a side file was created or removed, or that this is
// unknown because of err.
func (d *database) note(side string, exists bool, err error) {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.names == nil:
	case err == nil, !exists && errors.Is(err, fs.ErrNotExist):
		d.names[side] = exists
	default:
		delete(d.names, side)
	}
}

// finish closes everything after the last connection left. SQLite cannot pass on
// an error of closing, so it is logged.
func (d *database) finish() {
	err := errors.Join(d.close(), d.locker.Close(context.Background()))
	if err != nil {
		slog.Warn("vfs: closing a database", "database", d.path, "err", err)
	}
}

func (d *database) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, h := range d.spare {
		h.Close()
	}
	d.shm.remove()
	d.dir.close()
	if d.content.Load() == nil {
		return nil
	}
	if err := d.current().Close(); !isClosed(err) { // reopen may have failed half-way
		return err
	}
	return nil
}

// isClosed reports whether err says that a file was closed before. Not all of afero
// uses the error of package fs.
func isClosed(err error) bool {
	return errors.Is(err, fs.ErrClosed) || errors.Is(err, afero.ErrFileClosed)
}
