package remotedir

import (
	"io"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/afero"
)

// idle is how long a directory stays open that nobody lists. Meanwhile its file system
// cannot be unmounted.
const idle = 10 * time.Second

// A Dir is a directory that is looked at again and again. Its methods are safe for
// concurrent use.
type Dir struct {
	fs     afero.Fs
	path   string
	kernel kernel
	place  atomic.Pointer[place] // where it lies; nil until it was listed

	// Held during a listing: the kernel answers one with what it is just reading for
	// another, which may have been asked for earlier.
	mu    sync.Mutex
	kept  afero.File  // guarded by mu; open between two listings, nil if it is not
	close *time.Timer // guarded by mu; nil until it was kept open
}

// A place is where a directory lies.
type place struct {
	device    uint64
	nfs       bool
	smb       bool
	remembers bool        // the kernel may list a directory without asking
	mute      atomic.Bool // the server cannot be asked by name after all
}

// A kernel is what a [Dir] wants of the operating system besides its files.
type kernel interface {
	device(f afero.File) (uint64, error)  // on which an open directory lies
	locate(f afero.File) *place           // but for the device
	same(f afero.File, path string) bool  // whether the path leads to an open directory
	drop(f afero.File) (gone bool)        // what is remembered of an open directory
	ask(path string) error                // the server of an SMB share, for a file; nil if it is there
	deviceOf(path string) (uint64, error) // on which a name is found
}

// New returns the directory path of fsys. It does no I/O.
func New(fsys afero.Fs, path string) *Dir {
	return &Dir{fs: fsys, path: filepath.Clean(path), kernel: host{}}
}

// Names lists the directory. If fresh is true, that is how it was at some moment of
// the call. Otherwise it may be what the kernel remembers, and a name that matters is
// to be asked for by [Dir.Has].
func (d *Dir) Names() (names []string, fresh bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.kept != nil {
		if d.kernel.same(d.kept, d.path) {
			if names, err := d.reread(d.kept); err == nil {
				d.close.Reset(idle)
				return names, true, nil
			}
		}
		d.release() // it was removed, for example
	}
	f, err := d.fs.Open(d.path)
	if err != nil {
		return nil, false, err
	}
	where := d.locate(f)
	if !where.nfs {
		defer f.Close()
		d.kernel.drop(f)
		names, err = f.Readdirnames(-1)
		return names, !where.remembers, err
	}
	if names, err = d.reread(f); err != nil {
		f.Close()
		return nil, false, err
	}
	d.keep(f)
	return names, true, nil
}

// reread lists an open directory of NFS by a request that is sent after the call.
func (d *Dir) reread(f afero.File) (names []string, err error) {
	for range 2 {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
		gone := d.kernel.drop(f)
		if names, err = f.Readdirnames(-1); err != nil || gone {
			return names, err
		}
		// Somebody may have been reading it already. What is read next is not that.
	}
	return names, nil
}

func (d *Dir) keep(f afero.File) {
	d.kept = f
	if d.close != nil {
		d.close.Reset(idle)
		return
	}
	d.close = time.AfterFunc(idle, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.release()
	})
}

func (d *Dir) release() {
	if d.kept != nil {
		d.kept.Close()
		d.kept = nil
		d.close.Stop()
	}
}

// locate returns the place of the open directory.
func (d *Dir) locate(f afero.File) *place {
	device, err := d.kernel.device(f)
	if err != nil {
		return new(place) // nothing is known of it
	}
	if last := d.place.Load(); last != nil && last.device == device {
		return last
	}
	where := d.kernel.locate(f)
	where.device = device
	d.place.Store(where)
	return where
}
