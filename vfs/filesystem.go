package vfs

import (
	"io"
	"io/fs"

	sqlitevfs "github.com/ncruces/go-sqlite3/vfs"
)

// A fileSystem is where the bytes are: [hostFS] or [aferoFS].
type fileSystem interface {
	open(name string, flag int, perm fs.FileMode) (handle, error)
	stat(name string) (fs.FileInfo, error)
	remove(name string) error
	// access fails if name cannot be used as flag says, as access(2) does.
	access(name string, flag sqlitevfs.AccessFlag) error
	// mayWrite fails if name cannot be opened for writing, as far as that can be told
	// without taking it from whoever has it open.
	mayWrite(name string) error
	// syncDir makes creations and removals in dir durable, where that can be asked for.
	syncDir(dir string) error
	// rename gives a file another name, in place of any that has it.
	rename(from, to string) error
	// list returns the names in dir that are to be kept, by a look that no cache answers.
	list(dir string, keep func(name string) bool) ([]string, error)
	// shared reports whether other hosts may have the files in dir open, so that the
	// kernel may remember what they have changed.
	shared(dir string) bool
	// resolve returns the one absolute name of a file that need not exist, and
	// whether its last element was a symbolic link.
	resolve(name string) (path string, linked bool, err error)
}

// A handle is one open file. Its methods are safe for concurrent use.
type handle interface {
	io.ReaderAt // short only at the end of the file, with io.EOF itself
	io.WriterAt
	io.Closer
	Truncate(size int64) error
	Sync(how durability) error
	Size() (int64, error)
	Stat() (fs.FileInfo, error)
	// Forget has what is read from now on come from where the bytes are, and not from
	// what the kernel remembers, if this is a file of the kernel's.
	Forget()
	// Allocate sets space aside for the file to grow to size; it never shrinks it.
	Allocate(size int64) error
}

// A durability says what a sync must achieve. Only macOS tells them apart.
type durability uint8

const (
	ordered durability = iota // on its way, before anything written later
	barrier                   // as ordered, and the drive keeps that order
	durable                   // on the medium
)

// How SQLite's sync flags read for a file of this kind. A rollback journal only
// has to reach the medium before the pages that it protects.
func durabilityOf(flags sqlitevfs.SyncFlag, journal bool) durability {
	switch {
	case flags&sqlitevfs.SYNC_FULL != sqlitevfs.SYNC_FULL:
		return ordered
	case journal:
		return barrier
	}
	return durable
}

// likeOther gives a file that was just created the permissions of another, where
// files have them. SQLite's own VFS for Unix goes on as well if that fails.
func likeOther(h handle, like fs.FileInfo) {
	if f, ok := h.(hostFile); ok && like != nil {
		imitate(f.File, like)
	}
}
