package pagecache

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Drop drops what the kernel holds of an open file or directory, if it is one of the
// operating system's: an [os.File], or anything that has its SyscallConn.
//
// It reports whether nothing is left in the page cache for sure. Then whatever is read
// next is asked for after Drop began, if the file system keeps nothing elsewhere. What
// may be left is what somebody is just reading. This is known since Linux 6.5, to who
// may write to the file.
func Drop(file any) (gone bool) {
	s, ok := file.(syscall.Conn)
	if !ok {
		return false
	}
	conn, err := s.SyscallConn()
	if err != nil {
		return false
	}
	err = conn.Control(func(fd uintptr) {
		// Where it does not apply it fails, and there is nothing to be dropped.
		_ = unix.Fadvise(int(fd), 0, 0, unix.FADV_DONTNEED)
		var all unix.CachestatRange // from 0, to the end since the length is 0
		var left unix.Cachestat_t
		gone = unix.Cachestat(uint(fd), &all, &left, 0) == nil && left.Cache == 0
	})
	return gone && err == nil
}
