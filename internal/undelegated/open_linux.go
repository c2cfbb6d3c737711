package undelegated

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// directories remembers for each directory whether it is on NFS, since to ask is a
// request to the server.
var directories sync.Map // of string to bool

// OpenFile is [os.OpenFile] for a regular file, which is not delegated if it is on NFS.
func OpenFile(name string, flag int, perm fs.FileMode) (*os.File, error) {
	dir := filepath.Dir(name)
	if !onNFS(dir) {
		return os.OpenFile(name, flag, perm)
	}
	f, err := os.OpenFile(name, flag|unix.O_DIRECT, perm)
	if errors.Is(err, syscall.EINVAL) { // a kernel that cannot, or not here
		directories.Store(dir, false)
		return os.OpenFile(name, flag, perm)
	}
	if err != nil {
		return nil, err
	}
	if err := buffered(f); err != nil {
		f.Close()
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return f, nil
}

func onNFS(dir string) bool {
	if known, ok := directories.Load(dir); ok {
		return known.(bool)
	}
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return false // opening will say why
	}
	is := st.Type == unix.NFS_SUPER_MAGIC
	directories.Store(dir, is)
	return is
}

// buffered has an open file read and written through the kernel's cache, as usual. What
// opening it for direct I/O was good for has happened.
func buffered(f *os.File) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	outer := conn.Control(func(fd uintptr) {
		var flags int
		if flags, err = unix.FcntlInt(fd, unix.F_GETFL, 0); err == nil {
			_, err = unix.FcntlInt(fd, unix.F_SETFL, flags&^unix.O_DIRECT)
		}
	})
	return errors.Join(err, outer)
}
