package vfstest

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/afero"
)

// A Disk is an afero file system in memory that remembers what was not synced.
//
//   - What was written to a file counts as unsynced until that file is synced.
//   - That a file was created, removed or renamed counts as unsynced until its
//     directory is synced. Syncing the file does not do: POSIX promises no more,
//     though ext4 does more.
//   - Directories themselves are always durable.
//
// It has no permissions and no links. The zero value is not usable: see [NewDisk].
// Its methods are safe for concurrent use.
type Disk struct {
	mu      sync.Mutex
	dirs    map[string]bool
	names   map[string]*inode // now
	durable map[string]*inode // after a crash
	moves   []move            // from durable to names, in order
}

// An inode is the content of a file, whatever its name.
type inode struct {
	data    []byte   // now
	durable []byte   // after a crash
	changes []change // from durable to data, in order
}

// A change is one write or, without data, one truncation to off bytes.
type change struct {
	off  int64
	data []byte
}

// A move is the setting or, without a file, the removal of a name.
type move struct {
	name string
	file *inode
}

var _ afero.Fs = (*Disk)(nil)

// NewDisk returns an empty disk. It has the directory "/".
func NewDisk() *Disk {
	return &Disk{
		dirs:    map[string]bool{"/": true},
		names:   make(map[string]*inode),
		durable: make(map[string]*inode),
	}
}

// Name returns "vfstest.Disk".
func (d *Disk) Name() string { return "vfstest.Disk" }

func clean(name string) string { return path.Clean("/" + filepath.ToSlash(name)) }

func fail(op, name string, err error) error { return &os.PathError{Op: op, Path: name, Err: err} }

// set changes a name. Called with mu held.
func (d *Disk) set(name string, file *inode) {
	d.moves = append(d.moves, move{name, file})
	if file == nil {
		delete(d.names, name)
	} else {
		d.names[name] = file
	}
}

// OpenFile opens or creates a file, or opens a directory.
func (d *Disk) OpenFile(name string, flag int, _ fs.FileMode) (afero.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	name = clean(name)
	if d.dirs[name] {
		if flag&(os.O_WRONLY|os.O_RDWR) != 0 {
			return nil, fail("open", name, syscall.EISDIR)
		}
		return &diskFile{disk: d, name: name}, nil
	}
	file := d.names[name]
	switch {
	case file != nil && flag&os.O_CREATE != 0 && flag&os.O_EXCL != 0:
		return nil, fail("open", name, fs.ErrExist)
	case file == nil && (flag&os.O_CREATE == 0 || !d.dirs[path.Dir(name)]):
		return nil, fail("open", name, fs.ErrNotExist)
	case file == nil:
		file = new(inode)
		d.set(name, file)
	case flag&os.O_TRUNC != 0:
		file.apply(change{})
	}
	return &diskFile{disk: d, name: name, file: file, writes: flag&(os.O_WRONLY|os.O_RDWR) != 0}, nil
}

// Open opens a file or directory to read it.
func (d *Disk) Open(name string) (afero.File, error) { return d.OpenFile(name, os.O_RDONLY, 0) }

// Create creates or empties a file.
func (d *Disk) Create(name string) (afero.File, error) {
	return d.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0666)
}

// Remove removes a file or an empty directory.
func (d *Disk) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	name = clean(name)
	switch {
	case d.names[name] != nil:
		d.set(name, nil)
	case !d.dirs[name] || name == "/":
		return fail("remove", name, fs.ErrNotExist)
	case len(d.entries(name)) > 0:
		return fail("remove", name, syscall.ENOTEMPTY)
	default:
		delete(d.dirs, name)
	}
	return nil
}

// RemoveAll removes a file, or a directory with all that is in it.
func (d *Disk) RemoveAll(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	name = clean(name)
	for other := range d.names {
		if other == name || strings.HasPrefix(other, name+"/") {
			d.set(other, nil)
		}
	}
	for dir := range d.dirs {
		if dir == name || strings.HasPrefix(dir, name+"/") {
			delete(d.dirs, dir)
		}
	}
	return nil
}

// Rename gives a file another name, in place of any file that has it.
func (d *Disk) Rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	from, to = clean(from), clean(to)
	file := d.names[from]
	if file == nil || !d.dirs[path.Dir(to)] || d.dirs[to] {
		return fail("rename", from, fs.ErrNotExist)
	}
	d.set(to, file)
	d.set(from, nil)
	return nil
}

// Mkdir makes a directory.
func (d *Disk) Mkdir(name string, _ fs.FileMode) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	name = clean(name)
	switch {
	case d.dirs[name] || d.names[name] != nil:
		return fail("mkdir", name, fs.ErrExist)
	case !d.dirs[path.Dir(name)]:
		return fail("mkdir", name, fs.ErrNotExist)
	}
	d.dirs[name] = true
	return nil
}

// MkdirAll makes a directory, and those above it.
func (d *Disk) MkdirAll(name string, perm fs.FileMode) error {
	name = clean(name)
	if name == "/" {
		return nil
	}
	if err := d.MkdirAll(path.Dir(name), perm); err != nil {
		return err
	}
	if err := d.Mkdir(name, perm); err != nil && !d.isDir(name) {
		return err
	}
	return nil
}

func (d *Disk) isDir(name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.dirs[clean(name)]
}

// Stat describes a file or directory.
func (d *Disk) Stat(name string) (fs.FileInfo, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	name = clean(name)
	if file := d.names[name]; file != nil {
		return info{path.Base(name), int64(len(file.data)), 0o666}, nil
	}
	if d.dirs[name] {
		return info{path.Base(name), 0, 0o777 | fs.ModeDir}, nil
	}
	return nil, fail("stat", name, fs.ErrNotExist)
}

// Chmod does nothing.
func (d *Disk) Chmod(string, fs.FileMode) error { return nil }

// Chown does nothing.
func (d *Disk) Chown(string, int, int) error { return nil }

// Chtimes does nothing.
func (d *Disk) Chtimes(string, time.Time, time.Time) error { return nil }

// entries returns the names in a directory, sorted. Called with mu held.
func (d *Disk) entries(dir string) (names []string) {
	for name := range d.names {
		if path.Dir(name) == dir {
			names = append(names, path.Base(name))
		}
	}
	for name := range d.dirs {
		if path.Dir(name) == dir && name != "/" {
			names = append(names, path.Base(name))
		}
	}
	slices.Sort(names)
	return names
}

type info struct {
	name string
	size int64
	mode fs.FileMode
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.size }
func (i info) Mode() fs.FileMode  { return i.mode }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return i.mode.IsDir() }
func (i info) Sys() any           { return nil }
