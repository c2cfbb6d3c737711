package vfs

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/holdfastdb/holdfast/locking"
	sqlitevfs "github.com/ncruces/go-sqlite3/vfs"
	"github.com/spf13/afero"
)

// A database is what all connections of this process to one file share.
type database struct {
	vfs    *VFS
	path   string             // the one absolute name
	params url.Values         // lock options of whoever opened it first
	flags  sqlitevfs.OpenFlag // and how that was to be
	modeof string             // URI parameter of the same name
	locker locking.Locker
	leased bool // other hosts may write, so nothing is known after an absence
	fenced bool // the lease keeps to the fence

	remembered bool // the kernel may remember what other hosts have changed since

	refs      int           // guarded by vfs.mu
	open      chan struct{} // closed when opening ended
	err       error         // why opening failed; settled when open is closed
	abandoned bool          // opening failed since the context of who did it ended
	gone      chan struct{} // closed when the last connection left and the locks are closed

	body atomic.Pointer[body] // the file that is the database, as last seen; replaced under mu

	mu      sync.Mutex
	stale   []*body // no longer the database, but connections that lost it are still with them; guarded by mu
	changes uint64  // the Lock.Changes that was last acted on; guarded by mu
	arrived bool    // changes is set; guarded by mu

	writer atomic.Pointer[File] // the connection that holds Reserved or more

	dir      directory
	shm      privateDir
	warnOnce sync.Once
}

// arrive is called under a level. If somebody else may have written since this
// process last held one, it forgets what it knew. It returns where the database is;
// over a lease, that is kept open until [database.depart].
func (d *database) arrive(lock locking.Lock) (*body, error) {
	if !d.leased {
		return d.body.Load(), nil // the kernel's locks, and its cache
	}
	changes, at := lock.Changes(), lock.Current()
	d.mu.Lock()
	defer d.mu.Unlock()
	if b := d.body.Load(); !d.arrived || d.changes != changes || b.file != at.File {
		d.arrived = false
		if err := d.lookAgain(at); err != nil {
			return nil, err
		}
		d.changes, d.arrived = changes, true
	}
	b := d.body.Load()
	b.pins++
	return b, nil
}

// depart is the end of what began with arrive.
func (d *database) depart(b *body) {
	if b == nil || !d.leased {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	b.pins--
	if i := slices.Index(d.stale, b); i >= 0 && b.pins == 0 {
		d.stale = slices.Delete(d.stale, i, i+1)
		b.close()
	}
}

// letGo closes the database until somebody here comes in again, who has to open it anew
// in any case. A file that is open keeps something at the server, as a lease on SMB. If
// this machine vanishes, Samba keeps that for 16 minutes, and whoever opens the file
// then may be refused after half a minute each time.
func (d *database) letGo() {
	d.mu.Lock()
	defer d.mu.Unlock()
	b := d.body.Load()
	if b == nil || b.pins > 0 || !d.arrived {
		return // somebody is back, or nobody was in
	}
	d.arrived = false
	b.close()
	b.closed = true
}

// lookAgain opens the database anew. Called with mu held.
func (d *database) lookAgain(at locking.Current) error {
	if b := d.body.Load(); b.file != at.File {
		if err := d.turnTo(at.File); err != nil {
			return err
		}
	} else {
		b.length.forget()
		if err := b.reopen(); err != nil {
			return b.missing(err)
		}
	}
	if d.remembered {
		// As long as any other process of this machine has the file open for writing, an
		// NFS client does not look whether it was changed, even if it is opened anew.
		d.body.Load().current().Forget()
	}
	marked, err := d.body.Load().lookAround()
	if err != nil {
		return err
	}
	return d.mark(marked, at)
}

// turnTo goes on in another file. Called with mu held.
func (d *database) turnTo(file string) error {
	was, b := d.body.Load(), d.newBody(file)
	flag := os.O_RDONLY
	if was.writes {
		flag = os.O_RDWR
	}
	h, writes, err := d.vfs.openOrReadOnly(b.path, flag, 0)
	if err != nil {
		return b.missing(err)
	}
	b.content.Store(&h)
	b.writes = writes
	if err := d.identify(b); err != nil {
		h.Close()
		return err
	}
	b.perm = b.like().Mode().Perm()
	d.body.Store(b)
	if was.pins > 0 {
		d.stale = append(d.stale, was)
		return nil
	}
	was.close()
	return nil
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
	for _, b := range d.stale {
		b.close()
	}
	d.shm.remove()
	d.dir.close()
	if b := d.body.Load(); b != nil {
		return b.close()
	}
	return nil
}

// isClosed reports whether err says that a file was closed before. Not all of afero
// uses the error of package fs.
func isClosed(err error) bool {
	return errors.Is(err, fs.ErrClosed) || errors.Is(err, afero.ErrFileClosed)
}
