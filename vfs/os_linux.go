package vfs

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncFile uses fdatasync, which on Linux brings the size along: SQLite relies on
// that in its own VFS.
func syncFile(f *os.File, _ durability) error {
	return retry(func() error { return unix.Fdatasync(int(f.Fd())) })
}

func allocate(f *os.File, end, size int64) error {
	err := retry(func() error { return unix.Fallocate(int(f.Fd()), 0, end, size-end) })
	if err == unix.EOPNOTSUPP {
		return nil
	}
	return err
}
