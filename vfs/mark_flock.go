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

// abandoned reports whether the process that marked a directory is dead.
func abandoned(dir string) bool {
	f, err := os.Open(filepath.Join(dir, markName))
	if err != nil {
		return false
	}
	defer f.Close()
	return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil
}
