package main

import (
	"io"
	"io/fs"
	"os"
)

// A disk is what the encrypted files lie on.
type disk interface {
	OpenFile(name string, flag int, perm fs.FileMode) (diskFile, error)
	Stat(name string) (fs.FileInfo, error)
	Remove(name string) error
	Rename(from, to string) error
	List(name string) ([]string, error)
}

// A diskFile is one that is open, or a directory.
type diskFile interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Truncate(size int64) error
	Sync() error
	Stat() (fs.FileInfo, error)
}

// granted is what was granted to the plugin.
type granted struct{}

func (granted) OpenFile(name string, flag int, perm fs.FileMode) (diskFile, error) {
	f, err := os.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (granted) Stat(name string) (fs.FileInfo, error) { return os.Stat(name) }
func (granted) Remove(name string) error              { return os.Remove(name) }
func (granted) Rename(from, to string) error          { return os.Rename(from, to) }

func (granted) List(name string) (names []string, err error) {
	entries, err := os.ReadDir(name)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}
