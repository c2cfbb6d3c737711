// Package fence copies a database to another name while a process that has lost its
// lease may still be changing it.
//
// It is the mechanical half of a takeover: the register has said that the old holder
// is out, so that none of its commits can be acknowledged any more, and will say that
// the copy is the database once it is complete. What the old holder, its kernel or its
// network still writes goes to files that nobody reads again.
//
// A copy is worth something only if every process keeps to the rules under [Mark]. It
// is the database as it stood after some commit, once SQLite has recovered it: no
// acknowledged commit is missing.
package fence

import (
	"context"
	"io"
	"io/fs"
)

// An FS is the directory of a database. Names are base names.
type FS interface {
	// Open opens a file for reading. Nothing that this machine cached earlier may
	// answer: neither old attributes, nor that the name was missing. (Pages that are
	// cached need not concern it: Copy has them dropped.)
	Open(name string) (File, error)

	// Create makes a file, for reading and writing, and fails with fs.ErrExist if there
	// is one. It gets the permissions, and as far as possible the owner, of the file
	// that like describes.
	Create(name string, like fs.FileInfo) (File, error)

	// Remove removes a file. A missing one is fs.ErrNotExist.
	Remove(name string) error

	// SyncDir makes what was created and removed durable.
	SyncDir() error
}

// A File is one open file. An [os.File] is one. Two files that are system files
// (they have its SyscallConn method) are copied by the file system itself where it
// can do so.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Stat() (fs.FileInfo, error)
	Sync() error
}

// Suffixes of the files that belong to a database.
const (
	journalSuffix = "-journal"
	walSuffix     = "-wal"
)

// Copy makes a durable copy of a database, with its journal and WAL, under the name
// to, which must not be taken. progress is told how many of how many bytes were
// copied; nil if nobody wants to know. Memory does not grow with the files.
//
// Errors: [locking.ErrMoved] if the old holder ended a transaction meanwhile: then
// there is nothing to wait for, but the next copy needs another name. fs.ErrNotExist
// if there is no such database, fs.ErrExist if there is something by the name to, or
// what the file system said. After any error what was copied is removed as far as
// possible; from is never changed.
func Copy(ctx context.Context, files FS, from, to string, progress func(copied, total int64)) error {
	return newCopier(files, from, to, progress).run(ctx, Steps[:])
}
