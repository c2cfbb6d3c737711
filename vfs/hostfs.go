package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/holdfastdb/holdfast/internal/fstype"
	"github.com/holdfastdb/holdfast/internal/pagecache"
	"github.com/holdfastdb/holdfast/internal/undelegated"
	sqlitevfs "github.com/ncruces/go-sqlite3/vfs"
)

// hostFS is the file system of the operating system, without a layer between.
type hostFS struct{}

func (hostFS) open(name string, flag int, perm fs.FileMode) (handle, error) {
	f, err := undelegated.OpenFile(name, flag|noFollow, perm)
	if err != nil {
		return nil, err
	}
	return hostFile{f}, nil
}

func (hostFS) stat(name string) (fs.FileInfo, error) { return os.Stat(name) }
func (hostFS) remove(name string) error              { return os.Remove(name) }
func (hostFS) rename(from, to string) error          { return os.Rename(from, to) }

func (hostFS) access(name string, flag sqlitevfs.AccessFlag) error { return access(name, flag) }

func (hostFS) mayWrite(name string) error { return access(name, sqlitevfs.ACCESS_READWRITE) }

func (hostFS) syncDir(dir string) error {
	if !syncsDirectories {
		return nil
	}
	d, err := os.Open(dir)
	if errors.Is(err, fs.ErrPermission) {
		return nil // it may be searched, but not read: SQLite's own VFS goes on as well
	}
	if err != nil {
		return err
	}
	defer d.Close()
	return syncOpenDir(d)
}

func syncOpenDir(d *os.File) error {
	if err := syncFile(d, durable); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, syscall.EINVAL) {
		return err // the others say that this file system has no such thing
	}
	return nil
}

func (hostFS) list(dir string, keep func(name string) bool) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	pagecache.Drop(d)
	return listed(d, keep)
}

// listed reads a directory in portions, since it may be huge.
func listed(d interface{ Readdirnames(int) ([]string, error) }, keep func(name string) bool) (found []string, err error) {
	for {
		some, err := d.Readdirnames(256)
		for _, name := range some {
			if keep(name) {
				found = append(found, name)
			}
		}
		if err == io.EOF || err == nil && len(some) == 0 {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func (hostFS) shared(dir string) bool {
	t, err := fstype.Of(dir)
	return err != nil || t.Network
}

func (hostFS) resolve(name string) (string, bool, error) {
	abs, err := filepath.Abs(name)
	if err != nil {
		return "", false, err
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(abs))
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, fmt.Errorf("directory %q does not exist: create it first: %w", filepath.Dir(abs), fs.ErrNotExist)
	}
	if err != nil {
		return "", false, err
	}
	path := filepath.Join(dir, filepath.Base(abs))
	switch info, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return path, false, nil
	case err != nil:
		return "", false, err
	case info.Mode()&fs.ModeSymlink == 0:
		return path, false, nil
	}
	target, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		if target, err = lastTarget(path); err == nil {
			if _, err = os.Lstat(target + markerSuffix); err == nil {
				return target, true, nil // the database goes on under another name
			}
		}
		return "", true, fmt.Errorf("symbolic link %q leads nowhere: create its target or remove it: %w", path, fs.ErrNotExist)
	}
	return target, true, err
}

// maxLinks bounds how many symbolic links lead to a database, as kernels do.
const maxLinks = 40

// lastTarget returns the name at the end of a chain of symbolic links, where nothing
// need be. It is free of symbolic links.
func lastTarget(path string) (string, error) {
	for range maxLinks {
		next, err := os.Readlink(path)
		if err != nil {
			return path, nil // it is none
		}
		if !filepath.IsAbs(next) {
			next = filepath.Join(filepath.Dir(path), next)
		}
		dir, err := filepath.EvalSymlinks(filepath.Dir(next))
		if err != nil {
			return "", err
		}
		path = filepath.Join(dir, filepath.Base(next))
	}
	return "", errors.New("too many symbolic links")
}

// hostFile is a handle on an open file of the operating system.
type hostFile struct{ *os.File }

// Size asks for the end of the file, which is cheaper than Stat. It moves the
// descriptor's offset, on which nobody relies.
func (f hostFile) Size() (int64, error)      { return f.Seek(0, io.SeekEnd) }
func (f hostFile) Sync(how durability) error { return syncFile(f.File, how) }

func (f hostFile) Forget() { pagecache.Drop(f.File) }

func (f hostFile) Allocate(size int64) error {
	end, err := f.Size()
	if err != nil || end >= size {
		return err
	}
	if err := allocate(f.File, end, size); err != nil {
		return err
	}
	return f.Truncate(size)
}
