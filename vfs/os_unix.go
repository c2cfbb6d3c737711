//go:build unix

package vfs

import (
	"io/fs"
	"os"
	"syscall"

	sqlitevfs "github.com/ncruces/go-sqlite3/vfs"
	"golang.org/x/sys/unix"
)

const (
	// noFollow: names were resolved before, so a link here was put there since.
	noFollow = unix.O_NOFOLLOW
	// syncsDirectories: a directory can be opened and synced.
	syncsDirectories = true
)

func access(name string, flag sqlitevfs.AccessFlag) error {
	return retry(func() error { return unix.Access(name, accessMode(flag)) })
}

// accessAt is access for a name in an open directory.
func accessAt(dir *os.File, name string, flag sqlitevfs.AccessFlag) error {
	return retry(func() error { return unix.Faccessat(int(dir.Fd()), name, accessMode(flag), 0) })
}

func accessMode(flag sqlitevfs.AccessFlag) uint32 {
	var mode uint32 = unix.F_OK
	switch flag {
	case sqlitevfs.ACCESS_READWRITE:
		mode = unix.R_OK | unix.W_OK
	case sqlitevfs.ACCESS_READ:
		mode = unix.R_OK
	}
	return mode
}

// retry repeats a system call for as long as a signal interrupts it.
func retry(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

// links returns how many names a file has, or 0 if that cannot be told.
func links(info fs.FileInfo) uint64 {
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(sys.Nlink)
	}
	return 0
}

// unlinked reports whether an open file has lost its last name.
func unlinked(info fs.FileInfo) bool {
	sys, ok := info.Sys().(*syscall.Stat_t)
	return ok && sys.Nlink == 0
}

// imitate gives a file that was just created the permissions of another, and root
// gives it the owner too. A journal that only root can read is lost to the database.
func imitate(f *os.File, like fs.FileInfo) {
	info, err := f.Stat()
	if err != nil || info.Size() > 0 {
		return
	}
	if info.Mode().Perm() != like.Mode().Perm() {
		f.Chmod(like.Mode().Perm())
	}
	if sys, ok := like.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 {
		f.Chown(int(sys.Uid), int(sys.Gid))
	}
}
