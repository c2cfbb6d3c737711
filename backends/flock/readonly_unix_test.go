//go:build unix

package flock

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// asReader runs f as a user who may read the database and not write it.
func asReader(t *testing.T, database string, f func()) {
	t.Helper()
	chmod(t, database, 0o444)
	defer func() { chmod(t, database, 0o644) }()
	if os.Geteuid() == 0 { // for whom permissions mean nothing
		for dir, i := filepath.Dir(database), 0; i < 2; dir, i = filepath.Dir(dir), i+1 {
			chmod(t, dir, 0o755)
		}
		const nobody = 65534
		if err := syscall.Seteuid(nobody); err != nil {
			t.Fatal(err)
		}
		defer syscall.Seteuid(0)
	}
	f()
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Error(err)
	}
}
