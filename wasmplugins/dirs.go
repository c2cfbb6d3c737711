package wasmplugins

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/tetratelabs/wazero"
	expsys "github.com/tetratelabs/wazero/experimental/sys"
	"github.com/tetratelabs/wazero/experimental/sysfs"
	"github.com/tetratelabs/wazero/sys"
)

// mountDirs gives an instance the directories that were granted, by the paths that they
// have here. The runtime's own would be left through a symbolic link, or by "..".
func mountDirs(dirs []Dir, i *Instance) (wazero.FSConfig, error) {
	config := wazero.NewFSConfig()
	for _, d := range dirs {
		root, err := os.OpenRoot(d.Path)
		if err != nil {
			return nil, err
		}
		i.atEnd(func() { root.Close() })
		config = config.(sysfs.FSConfig).WithSysFSMount(&grantedDir{root: root, readOnly: d.ReadOnly, in: i}, guestPath(d.Path))
	}
	return config, nil
}

// guestPath is what a directory is called in a plugin.
func guestPath(path string) string {
	return filepath.ToSlash(strings.TrimPrefix(path, filepath.VolumeName(path)))
}

// A grantedDir is a directory that nothing leads out of.
type grantedDir struct {
	expsys.UnimplementedFS
	root     *os.Root
	readOnly bool
	in       *Instance
}

// mostFiles is how many files an instance may have open.
const mostFiles = 64

// errno is that of an error. Of those that WASI has no number for here, such as that of a
// full disk, the one that came last in a call is remembered.
func (i *Instance) errno(err error) expsys.Errno {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, fs.ErrNotExist):
		return expsys.ENOENT
	case errors.Is(err, fs.ErrExist):
		return expsys.EEXIST
	case errors.As(err, new(syscall.Errno)):
		e := expsys.UnwrapOSError(err)
		if e == expsys.EIO {
			i.disk = err
		}
		return e
	}
	return expsys.EACCES // the root's own: the path leads out of it
}

// local is the path as the root wants it.
func local(path string) string {
	if path = strings.TrimLeft(path, "/"); path == "" {
		return "."
	}
	return filepath.FromSlash(path)
}

func (d *grantedDir) OpenFile(path string, flag expsys.Oflag, perm fs.FileMode) (expsys.File, expsys.Errno) {
	const writes = expsys.O_RDWR | expsys.O_WRONLY | expsys.O_CREAT | expsys.O_TRUNC | expsys.O_APPEND
	if d.readOnly && flag&writes != 0 {
		return nil, expsys.EROFS
	}
	name := local(path)
	if info, err := d.root.Stat(name); err == nil {
		if !info.Mode().IsRegular() && !info.IsDir() {
			return nil, expsys.EACCES // to open a pipe or a device may block, or do something
		}
		if flag&expsys.O_DIRECTORY != 0 && !info.IsDir() {
			return nil, expsys.ENOTDIR
		}
	}
	if d.in.files.Add(1) > mostFiles {
		d.in.files.Add(-1)
		return nil, expsys.EAGAIN
	}
	f, err := d.root.OpenFile(name, osFlags(flag), perm.Perm())
	if err != nil {
		d.in.files.Add(-1)
		return nil, d.in.errno(err)
	}
	return &grantedFile{file: f, in: d.in, appends: flag&expsys.O_APPEND != 0}, 0
}

func osFlags(flag expsys.Oflag) (flags int) {
	switch {
	case flag&expsys.O_RDWR != 0:
		flags = os.O_RDWR
	case flag&expsys.O_WRONLY != 0:
		flags = os.O_WRONLY
	}
	for from, to := range map[expsys.Oflag]int{
		expsys.O_APPEND: os.O_APPEND, expsys.O_CREAT: os.O_CREATE, expsys.O_EXCL: os.O_EXCL, expsys.O_TRUNC: os.O_TRUNC,
		expsys.O_SYNC: os.O_SYNC, expsys.O_DSYNC: os.O_SYNC,
	} {
		if flag&from != 0 {
			flags |= to
		}
	}
	return flags
}

func (d *grantedDir) Stat(path string) (sys.Stat_t, expsys.Errno) {
	return d.in.stat(d.root.Stat(local(path)))
}

func (d *grantedDir) Lstat(path string) (sys.Stat_t, expsys.Errno) {
	return d.in.stat(d.root.Lstat(local(path)))
}

func (i *Instance) stat(info fs.FileInfo, err error) (sys.Stat_t, expsys.Errno) {
	if err != nil {
		return sys.Stat_t{}, i.errno(err)
	}
	return sys.NewStat_t(info), 0
}

func (d *grantedDir) change(do func() error) expsys.Errno {
	if d.readOnly {
		return expsys.EROFS
	}
	return d.in.errno(do())
}

func (d *grantedDir) Mkdir(path string, perm fs.FileMode) expsys.Errno {
	return d.change(func() error { return d.root.Mkdir(local(path), perm.Perm()) })
}

func (d *grantedDir) Rename(from, to string) expsys.Errno {
	return d.change(func() error { return d.root.Rename(local(from), local(to)) })
}

func (d *grantedDir) Link(old, new string) expsys.Errno {
	return d.change(func() error { return d.root.Link(local(old), local(new)) })
}

func (d *grantedDir) Unlink(path string) expsys.Errno {
	return d.remove(path, false)
}

func (d *grantedDir) Rmdir(path string) expsys.Errno {
	return d.remove(path, true)
}

func (d *grantedDir) remove(path string, dir bool) expsys.Errno {
	return d.change(func() error {
		info, err := d.root.Lstat(local(path))
		switch {
		case err != nil:
			return err
		case dir && !info.IsDir():
			return syscall.ENOTDIR
		case !dir && info.IsDir():
			return syscall.EISDIR
		}
		return d.root.Remove(local(path))
	})
}

// A grantedFile is an open file or directory.
type grantedFile struct {
	expsys.UnimplementedFile
	file    *os.File
	appends bool
	in      *Instance
}

func (f *grantedFile) IsDir() (bool, expsys.Errno) {
	info, err := f.file.Stat()
	return err == nil && info.IsDir(), f.in.errno(err)
}

func (f *grantedFile) IsAppend() bool { return f.appends }

func (f *grantedFile) Stat() (sys.Stat_t, expsys.Errno) { return f.in.stat(f.file.Stat()) }

func (f *grantedFile) Ino() (sys.Inode, expsys.Errno) {
	s, e := f.Stat()
	return s.Ino, e
}

func (f *grantedFile) Dev() (uint64, expsys.Errno) {
	s, e := f.Stat()
	return s.Dev, e
}

// transferred is the result of a read or a write. The end of a file is none.
func (i *Instance) transferred(n int, err error) (int, expsys.Errno) {
	if err == io.EOF {
		err = nil
	}
	return n, i.errno(err)
}

func (f *grantedFile) Read(b []byte) (int, expsys.Errno) { return f.in.transferred(f.file.Read(b)) }
func (f *grantedFile) Pread(b []byte, off int64) (int, expsys.Errno) {
	return f.in.transferred(f.file.ReadAt(b, off))
}
func (f *grantedFile) Write(b []byte) (int, expsys.Errno) { return f.in.transferred(f.file.Write(b)) }
func (f *grantedFile) Pwrite(b []byte, off int64) (int, expsys.Errno) {
	return f.in.transferred(f.file.WriteAt(b, off))
}

// A place is what go vet does not take for the argument of an [io.Seeker].
type place = int64

func (f *grantedFile) Seek(off place, whence int) (place, expsys.Errno) {
	n, err := f.file.Seek(off, whence)
	return n, f.in.errno(err)
}

func (f *grantedFile) Readdir(n int) (found []expsys.Dirent, _ expsys.Errno) {
	entries, err := f.file.ReadDir(n)
	if err == io.EOF {
		err = nil
	}
	for _, e := range entries {
		found = append(found, expsys.Dirent{Name: e.Name(), Type: e.Type()})
	}
	return found, f.in.errno(err)
}

func (f *grantedFile) Truncate(size int64) expsys.Errno { return f.in.errno(f.file.Truncate(size)) }
func (f *grantedFile) Sync() expsys.Errno               { return f.in.errno(f.file.Sync()) }
func (f *grantedFile) Datasync() expsys.Errno           { return f.in.errno(f.file.Sync()) }

func (f *grantedFile) Close() expsys.Errno {
	f.in.files.Add(-1)
	return f.in.errno(f.file.Close())
}
