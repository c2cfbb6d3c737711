package fence

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// copyFileRange copies bytes to the same place in another file without bringing them
// into this process. It fails if the two are no system files, or if their file
// system has no such thing.
func copyFileRange(dst, src File, off, n int64) (copied int64, err error) {
	to, from, err := descriptors(dst, src)
	if err != nil {
		return 0, err
	}
	outer := to.Control(func(to uintptr) {
		inner := from.Control(func(from uintptr) {
			copied, err = copyDescriptors(int(to), int(from), off, n)
		})
		err = errors.Join(err, inner)
	})
	return copied, errors.Join(err, outer)
}

func copyDescriptors(to, from int, off, n int64) (int64, error) {
	for {
		read, write := off, off
		copied, err := unix.CopyFileRange(from, &read, to, &write, int(n), 0)
		if err != unix.EINTR {
			return int64(copied), err
		}
	}
}

func descriptors(dst, src File) (to, from syscall.RawConn, err error) {
	d, ok := dst.(syscall.Conn)
	s, also := src.(syscall.Conn)
	if !ok || !also {
		return nil, nil, errors.ErrUnsupported
	}
	if to, err = d.SyscallConn(); err != nil {
		return nil, nil, err
	}
	from, err = s.SyscallConn()
	return to, from, err
}
