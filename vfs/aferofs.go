package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	sqlitevfs "github.com/ncruces/go-sqlite3/vfs"
	"github.com/spf13/afero"

	"github.com/holdfastdb/holdfast/internal/pagecache"
)

// aferoFS is any afero file system but [afero.OsFs].
type aferoFS struct{ afero.Fs }

func (a aferoFS) open(name string, flag int, perm fs.FileMode) (handle, error) {
	f, err := a.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return &aferoFile{file: f}, nil
}

func (a aferoFS) stat(name string) (fs.FileInfo, error) { return a.Stat(name) }
func (a aferoFS) remove(name string) error              { return a.Remove(name) }
func (a aferoFS) rename(from, to string) error          { return a.Rename(from, to) }

func (a aferoFS) access(name string, flag sqlitevfs.AccessFlag) error {
	info, err := a.Stat(name)
	if err != nil {
		return err
	}
	if flag == sqlitevfs.ACCESS_READWRITE && info.Mode().Perm()&0200 == 0 {
		return fs.ErrPermission
	}
	return nil
}

// mayWrite opens the file, since there is no other way to ask all of afero.
func (a aferoFS) mayWrite(name string) error {
	f, err := a.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return f.Close()
}

func (a aferoFS) syncDir(dir string) error {
	d, err := a.Open(dir)
	if errors.Is(err, fs.ErrPermission) {
		return nil // as in hostFS
	}
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func (a aferoFS) list(dir string, keep func(name string) bool) ([]string, error) {
	d, err := a.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return listed(d, keep)
}

// shared is true: nobody can tell what such a file system stands on.
func (a aferoFS) shared(string) bool { return true }

func (a aferoFS) resolve(name string) (string, bool, error) {
	path := filepath.Clean(name)
	if !filepath.IsAbs(path) {
		path = filepath.Join(string(filepath.Separator), path)
	}
	path, linked, err := a.follow(path)
	if err != nil {
		return "", linked, err
	}
	// Some afero file systems create a file in a directory that is not there.
	dir := filepath.Dir(path)
	if info, err := a.Stat(dir); errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
		return "", linked, fmt.Errorf("directory %q does not exist: create it first: %w", dir, fs.ErrNotExist)
	}
	return path, linked, nil
}

// follow reads symbolic links where the file system has them.
func (a aferoFS) follow(path string) (string, bool, error) {
	links, ok := a.Fs.(afero.Symlinker)
	if !ok {
		return path, false, nil
	}
	for hops := 0; ; hops++ {
		info, _, err := links.LstatIfPossible(path)
		if err != nil || info.Mode()&fs.ModeSymlink == 0 {
			return path, hops > 0, nil
		}
		if hops == 40 {
			return "", true, fmt.Errorf("symbolic link %q leads to itself", path)
		}
		target, err := links.ReadlinkIfPossible(path)
		if err != nil {
			return "", true, err
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		path = target
	}
}

// aferoFile makes an honest handle of an afero file. Several of those move one
// shared offset in ReadAt, return less than was asked for without an error, and
// have errors of their own for the end of the file.
type aferoFile struct {
	mu   sync.Mutex // held during each operation
	file afero.File
}

func (f *aferoFile) ReadAt(p []byte, off int64) (n int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for n < len(p) {
		m, err := f.file.ReadAt(p[n:], off+int64(n))
		n += m
		switch {
		case n == len(p):
		case err == nil && m > 0:
		case err == nil, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return n, io.EOF
		default:
			return n, err
		}
	}
	return n, nil
}

func (f *aferoFile) WriteAt(p []byte, off int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.file.WriteAt(p, off)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	return n, err
}

func (f *aferoFile) Truncate(size int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.file.Truncate(size)
}

func (f *aferoFile) Sync(durability) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.file.Sync()
}

func (f *aferoFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (f *aferoFile) Stat() (os.FileInfo, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.file.Stat()
}

// Forget does something if the file is one of the kernel's, in a thin disguise.
func (f *aferoFile) Forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	pagecache.Drop(f.file)
}

// Allocate does nothing: the size is a hint, and afero has no way to pass it on.
func (f *aferoFile) Allocate(int64) error { return nil }

func (f *aferoFile) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.file.Close()
}
