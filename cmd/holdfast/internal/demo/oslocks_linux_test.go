package demo

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestOSLocks takes a lock of each kind that a process can have.
func TestOSLocks(t *testing.T) {
	whole := unix.Flock_t{Type: unix.F_WRLCK}
	for name, lock := range map[string]func(fd uintptr) error{
		"flock": func(fd uintptr) error { return unix.Flock(int(fd), unix.LOCK_EX) },
		"POSIX": func(fd uintptr) error { return unix.FcntlFlock(fd, unix.F_SETLK, &whole) },
		"OFD":   func(fd uintptr) error { return unix.FcntlFlock(fd, unix.F_OFD_SETLK, &whole) },
	} {
		t.Run(name, func(t *testing.T) {
			if found := osLocks([]int{os.Getpid()}); len(found) > 0 {
				t.Fatalf("before there is one: %q", found)
			}
			f, err := os.Create(filepath.Join(t.TempDir(), "file"))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if err := lock(f.Fd()); err != nil {
				t.Fatal(err)
			}
			if found := osLocks([]int{os.Getpid()}); len(found) == 0 {
				t.Error("it is not seen")
			}
		})
	}
}
