// Package files makes a plugin that brings a file system.
package files

import (
	"io/fs"

	"github.com/holdfastdb/holdfast/wasmplugins/guest"
)

// A System is the file system. Paths are absolute and clean.
type System interface {
	// Open opens a file, or a directory to be synced. The flags are those of package os.
	Open(path string, flag int, perm fs.FileMode) (File, error)
	Stat(path string) (fs.FileInfo, error)
	Remove(path string) error
	Rename(from, to string) error
	List(path string) (names []string, err error)
}

// A File is one that is open.
type File interface {
	ReadAt(p []byte, off int64) (int, error)
	WriteAt(p []byte, off int64) (int, error)
	Truncate(size int64) error
	Sync() error
	Size() (int64, error)
	Close() error
}

// Serve makes this program a file system. Open gets what the host tells; parameters that it
// does not ask for are refused.
func Serve(about guest.About, open func(*guest.Config) (System, error)) {
	guest.Serve(about, func(c *guest.Config) error {
		s, err := open(c)
		install(s)
		return err
	})
}
