package vfs

import (
	"errors"
	"io/fs"
	"os"

	sqlitevfs "github.com/ncruces/go-sqlite3/vfs"
)

const (
	noFollow         = 0
	syncsDirectories = false
)

func access(name string, flag sqlitevfs.AccessFlag) error {
	info, err := os.Stat(name)
	if err == nil && flag == sqlitevfs.ACCESS_READWRITE && info.Mode().Perm()&0200 == 0 {
		return fs.ErrPermission
	}
	return err
}

// accessAt is not needed: no directory is kept open.
func accessAt(*os.File, string, sqlitevfs.AccessFlag) error { return errors.ErrUnsupported }

func syncFile(f *os.File, _ durability) error { return f.Sync() }

func allocate(*os.File, int64, int64) error { return nil }

// links returns 0: Go's FileInfo does not tell.
func links(fs.FileInfo) uint64 { return 0 }

// unlinked returns false: a file that is open keeps its name.
func unlinked(fs.FileInfo) bool { return false }

// imitate gives a file that was just created the permissions of another.
func imitate(f *os.File, like fs.FileInfo) {
	if info, err := f.Stat(); err == nil && info.Size() == 0 && info.Mode() != like.Mode() {
		f.Chmod(like.Mode())
	}
}
