//go:build linux || darwin

package vfs

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// markDir marks a directory as in use until the file returned is closed: by a file
// in it that is locked for as long as the process lives. Whoever sweeps may come
// between its creation and its locking, so it gets its name only then.
func markDir(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, "new-")
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, err
	}
	if err := os.Rename(f.Name(), filepath.Join(dir, markName)); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// abandoned reports whether the process that marked a directory, one of this user's, is
// dead. Anybody may put anything into a directory that all users share, also what cannot
// be opened without waiting for somebody.
func abandoned(dir string) bool {
	f, err := os.OpenFile(filepath.Join(dir, markName), os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	var info unix.Stat_t
	if unix.Fstat(int(f.Fd()), &info) != nil || info.Mode&unix.S_IFMT != unix.S_IFREG || int(info.Uid) != os.Geteuid() {
		return false
	}
	return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil
}
