// Command PLUGIN is a plugin of Holdfast that brings a file system: it passes every file
// through to a directory that was granted to it.
//
// To do something to the bytes, change ReadAt and WriteAt.
package main

import (
	"io/fs"
	"os"
	"path"

	"github.com/holdfastdb/holdfast/wasmplugins/guest"
	"github.com/holdfastdb/holdfast/wasmplugins/guest/files"
)

func init() {
	files.Serve(guest.About{
		Name: "PLUGIN", Version: "0.1", About: "a file system that is a directory",
		Parameters: []string{"root: directory that has the files (default: /)"},
		Wants:      []string{"dir: the root, or the directory of the database"},
	}, open)
}

func main() {}

// A system is the files under a directory. Paths begin with a slash and have no dots.
type system struct{ root string }

// open gets the parameters. One that it does not ask for is refused by the SDK.
func open(c *guest.Config) (files.System, error) {
	return &system{c.Get("root", "/")}, nil
}

func (s *system) at(name string) string { return path.Join(s.root, name) }

// Open makes the directories of a new file, too.
func (s *system) Open(name string, flag int, perm fs.FileMode) (files.File, error) {
	if flag&os.O_CREATE != 0 {
		if err := os.MkdirAll(path.Dir(s.at(name)), 0o777); err != nil {
			return nil, err
		}
	}
	f, err := os.OpenFile(s.at(name), flag, perm)
	if err != nil {
		return nil, err
	}
	return file{f}, nil
}

func (s *system) Stat(name string) (fs.FileInfo, error) { return os.Stat(s.at(name)) }
func (s *system) Remove(name string) error              { return os.Remove(s.at(name)) }
func (s *system) Rename(from, to string) error          { return os.Rename(s.at(from), s.at(to)) }

func (s *system) List(name string) (names []string, err error) {
	entries, err := os.ReadDir(s.at(name))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

// A file is one that is open. What is not here is what [os.File] does.
type file struct{ *os.File }

// ReadAt reads as many bytes as there are, up to len(p).
func (f file) ReadAt(p []byte, off int64) (int, error) { return f.File.ReadAt(p, off) }

// WriteAt writes all of p, or fails.
func (f file) WriteAt(p []byte, off int64) (int, error) { return f.File.WriteAt(p, off) }

// Size returns the number of bytes that can be read.
func (f file) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
