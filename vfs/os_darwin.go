package vfs

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncFile: fsync on macOS leaves the data in the drive's cache.
//
// https://developer.apple.com/library/archive/documentation/System/Conceptual/ManPages_iPhoneOS/man2/fsync.2.html
func syncFile(f *os.File, how durability) error {
	err := error(unix.ENOTSUP)
	switch how {
	case durable:
		err = control(f, unix.F_FULLFSYNC)
	case barrier:
		err = control(f, unix.F_BARRIERFSYNC)
	}
	if err == unix.ENOTSUP {
		err = retry(func() error { return unix.Fsync(int(f.Fd())) })
	}
	return err
}

func control(f *os.File, cmd int) error {
	return retry(func() error {
		_, err := unix.FcntlInt(f.Fd(), cmd, 0)
		return err
	})
}

func allocate(f *os.File, end, size int64) error {
	store := unix.Fstore_t{
		Flags:   unix.F_ALLOCATEALL | unix.F_ALLOCATECONTIG,
		Posmode: unix.F_PEOFPOSMODE,
		Length:  size - end,
	}
	if unix.FcntlFstore(f.Fd(), unix.F_PREALLOCATE, &store) == nil {
		return nil
	}
	store.Flags = unix.F_ALLOCATEALL // in pieces, then
	return retry(func() error { return unix.FcntlFstore(f.Fd(), unix.F_PREALLOCATE, &store) })
}
