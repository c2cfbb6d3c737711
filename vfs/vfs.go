package vfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/holdfastdb/holdfast/locking"
	"github.com/ncruces/go-sqlite3"
	sqlitevfs "github.com/ncruces/go-sqlite3/vfs"
	"github.com/spf13/afero"
)

// An Opener opens the locks of one database. The path is absolute and free of
// symbolic links, and params are the parameters of its URI. A [VFS] calls it once
// for all connections of the process, before it creates a database that is not
// there yet. It should return soon after ctx ends. The storage is where the database
// lies: a lease that is given it keeps to the fence.
type Opener func(ctx context.Context, path string, params url.Values, storage locking.Storage) (locking.Locker, error)

// A VFS opens databases for SQLite. Register it with go-sqlite3's vfs.Register.
// It is safe for concurrent use.
type VFS struct {
	files  fileSystem
	open   Opener
	leased atomic.Bool // some database was on a lease: without one nothing is known of side files

	mu        sync.Mutex
	databases map[string]*database // by path; guarded by mu
	supers    map[string][]*File   // who commits under which super-journal; guarded by mu
}

var _ sqlitevfs.VFSFilename = (*VFS)(nil)

// New returns a VFS with its bytes on files and its locks from open. A nil files,
// like [afero.OsFs], is the file system of the operating system, used directly.
func New(files afero.Fs, open Opener) *VFS {
	v := &VFS{
		files:     aferoFS{files},
		open:      open,
		databases: make(map[string]*database),
		supers:    make(map[string][]*File),
	}
	switch files.(type) {
	case nil, *afero.OsFs, afero.OsFs:
		v.files = hostFS{}
	}
	return v
}

// FullPathname returns the one name under which a database is locked, whatever
// spelling or symbolic link was used. The directory must exist.
//
// https://sqlite.org/c3ref/vfs.html
func (v *VFS) FullPathname(name string) (string, error) {
	path, linked, err := v.files.resolve(name)
	if err != nil {
		return "", sqlitevfs.SystemError(fmt.Errorf("vfs: open %q: %w", name, err), sqlite3.CANTOPEN_FULLPATH)
	}
	if linked {
		return path, okSymlink
	}
	return path, nil
}

// okSymlink is SQLITE_OK_SYMLINK, by which SQLite knows what to refuse under
// SQLITE_OPEN_NOFOLLOW.
const okSymlink sqlite3.ExtendedErrorCode = 2 << 8

// Delete removes a journal or WAL. It is refused when the connection that is
// writing the database, or one that commits under this super-journal, has lost its
// lease: the journal is then all that can repair the database.
//
// https://sqlite.org/c3ref/vfs.html
func (v *VFS) Delete(name string, syncDir bool) error {
	d, side := v.ofSide(name)
	if err := v.mayDelete(name, side, d); err != nil {
		return err
	}
	if v.keepsSuper(name) {
		return nil
	}
	err := v.remove(name, side, d, syncDir)
	if err == nil && d == nil {
		// SQLite hears nothing of what is found in [File.CommitPhaseTwo] of several
		// databases. This is the last it listens to.
		err = v.mayDelete(name, "", nil)
	}
	v.forgetSuper(name)
	return err
}

func (v *VFS) remove(name, side string, d *database, syncDir bool) error {
	var b *body
	if d != nil {
		if b = d.removing(); b == nil {
			return sqlitevfs.SystemError(fmt.Errorf("vfs: remove %q: a connection that lost its lease may be asking", name), sqlite3.IOERR_DELETE)
		}
		name = b.path + side
	}
	err := v.removeSide(b, name, side)
	if b != nil {
		b.note(side, false, err)
		if w := d.writer.Load(); w != nil {
			if errors.Is(err, fs.ErrNotExist) {
				w.blame(err) // others may have removed it
			}
			if w.doubt(err); w.dead() != nil {
				return w.refuse(w.dead(), sqlite3.IOERR_DELETE)
			}
			w.unfinished = w.unfinished && err != nil
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return sqlitevfs.SystemError(err, sqlite3.IOERR_DELETE_NOENT)
	}
	if err != nil {
		return sqlitevfs.SystemError(fmt.Errorf("vfs: remove %q: %w", name, err), sqlite3.IOERR_DELETE)
	}
	if !syncDir {
		return nil
	}
	if d != nil {
		err = d.syncDir()
	} else {
		err = v.files.syncDir(filepath.Dir(name))
	}
	return sqlitevfs.SystemError(err, sqlite3.IOERR_DIR_FSYNC)
}

// removeSide removes a file, or empties it if it is a journal that is kept. The body
// is nil if it is none of a database that is open.
func (v *VFS) removeSide(b *body, name, side string) error {
	if b != nil && side == sides[0] {
		if kept, err := b.emptyJournal(); kept {
			return err
		}
	}
	return v.files.remove(name)
}

// Access tells whether a file exists or can be used. For the journal and WAL of a
// database on a lease it answers from what is certain since the lease was taken:
// a network file system may not know yet of a hot journal that another host left.
//
// https://sqlite.org/c3ref/vfs.html
func (v *VFS) Access(name string, flag sqlitevfs.AccessFlag) (bool, error) {
	if flag == sqlitevfs.ACCESS_EXISTS {
		if exists, certain := v.knows(name); certain {
			return exists, nil
		}
	}
	err := v.access(name, flag)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, fs.ErrNotExist), flag != sqlitevfs.ACCESS_EXISTS && unwritable(err):
		return false, nil
	}
	return false, sqlitevfs.SystemError(fmt.Errorf("vfs: access %q: %w", name, err), sqlite3.IOERR_ACCESS)
}

func (v *VFS) access(name string, flag sqlitevfs.AccessFlag) error {
	if d, side := v.ofSide(name); d != nil {
		name = d.body.Load().path + side
		if opened, err := d.dir.access(filepath.Base(name), flag); opened {
			return err
		}
	}
	return v.files.access(name, flag)
}

// removing returns the body whose side file is to be removed: that of the connection
// that writes. Without one, a connection is removing a WAL under SHARED; then it
// returns nil if it cannot be told that this is none of those which lost their lease.
func (d *database) removing() *body {
	if w := d.writer.Load(); w != nil {
		return w.body()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.stale) > 0 {
		return nil
	}
	return d.body.Load()
}

// sides are the suffixes of the files that SQLite keeps beside a database.
var sides = []string{"-journal", "-wal"}

// ofSide returns the open database to which a journal or WAL belongs, and which
// of the two it is. The database is nil if none is open.
func (v *VFS) ofSide(name string) (d *database, side string) {
	for _, side := range sides {
		if path, ok := strings.CutSuffix(name, side); ok {
			return v.opened(path), side
		}
	}
	return nil, ""
}

func (v *VFS) opened(path string) *database {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.databases[path]
}

func (v *VFS) knows(name string) (exists, certain bool) {
	if !v.leased.Load() { // every read transaction asks twice
		return false, false
	}
	d, side := v.ofSide(name)
	if d == nil {
		return false, false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	exists, certain = d.body.Load().names[side]
	return exists, certain
}
