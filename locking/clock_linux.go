package locking

import (
	"syscall"
	"time"
	"unsafe"
)

// sinceBoot returns CLOCK_BOOTTIME, or 0 if the kernel refuses it.
//
// https://man7.org/linux/man-pages/man2/clock_gettime.2.html
func sinceBoot() time.Duration {
	const clockBoottime = 7
	var ts syscall.Timespec
	// The call neither blocks nor is it interrupted: no need to tell the scheduler.
	_, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockBoottime, uintptr(unsafe.Pointer(&ts)), 0)
	if errno != 0 {
		return 0
	}
	return time.Duration(ts.Nano())
}
