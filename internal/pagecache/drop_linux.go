package pagecache

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Drop drops what the kernel holds of an open file or directory, if it is one of the
// operating system's: an [os.File], or anything that has its SyscallConn.
func Drop(file any) {
	s, ok := file.(syscall.Conn)
	if !ok {
		return
	}
	if conn, err := s.SyscallConn(); err == nil {
		// Where it does not apply it fails, and there is nothing to be dropped.
		_ = conn.Control(func(fd uintptr) { _ = unix.Fadvise(int(fd), 0, 0, unix.FADV_DONTNEED) })
	}
}
