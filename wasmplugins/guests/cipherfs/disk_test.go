//go:build !wasip1

package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	sqlitevfs "github.com/ncruces/go-sqlite3/vfs"
	"github.com/spf13/afero"

	"github.com/holdfastdb/holdfast/vfs"
	"github.com/holdfastdb/holdfast/wasmplugins/guest/files"
)

// medium is an afero file system as the disk under the plugin.
type medium struct{ afero.Fs }

func (m medium) OpenFile(name string, flag int, perm fs.FileMode) (diskFile, error) {
	f, err := m.Fs.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (m medium) List(name string) ([]string, error) {
	d, err := m.Fs.Open(name)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(-1)
}

// plain is what the plugin makes of a disk, without WebAssembly between. As with the host,
// calls take turns.
type plain struct {
	afero.Fs // what is not there panics
	system   files.System
	turn     *sync.Mutex
}

func newPlain(t testing.TB, under afero.Fs, key string) plain {
	t.Helper()
	k, err := parseKey(key)
	if err != nil {
		t.Fatal(err)
	}
	s, err := newSystem(medium{under}, "/", k)
	if err != nil {
		t.Fatal(err)
	}
	return plain{system: s, turn: new(sync.Mutex)}
}

func (p plain) take() (end func()) {
	p.turn.Lock()
	return p.turn.Unlock
}

func (p plain) Name() string                         { return "cipherfs" }
func (p plain) Open(name string) (afero.File, error) { return p.OpenFile(name, os.O_RDONLY, 0) }

func (p plain) Stat(name string) (fs.FileInfo, error) {
	defer p.take()()
	return p.system.Stat(name)
}

func (p plain) Remove(name string) error {
	defer p.take()()
	return p.system.Remove(name)
}

func (p plain) Rename(from, to string) error {
	defer p.take()()
	return p.system.Rename(from, to)
}

func (p plain) OpenFile(name string, flag int, perm fs.FileMode) (afero.File, error) {
	defer p.take()()
	f, err := p.system.Open(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return &plainFile{opened: f, p: p, name: name}, nil
}

type plainFile struct {
	afero.File // what is not there panics
	opened     files.File
	p          plain
	name       string
	listed     bool
}

func (f *plainFile) Name() string { return f.name }

func (f *plainFile) ReadAt(b []byte, off int64) (int, error) {
	defer f.p.take()()
	return f.opened.ReadAt(b, off)
}

func (f *plainFile) WriteAt(b []byte, off int64) (int, error) {
	defer f.p.take()()
	return f.opened.WriteAt(b, off)
}

func (f *plainFile) Truncate(size int64) error {
	defer f.p.take()()
	return f.opened.Truncate(size)
}

func (f *plainFile) Sync() error {
	defer f.p.take()()
	return f.opened.Sync()
}

func (f *plainFile) Close() error {
	defer f.p.take()()
	return f.opened.Close()
}

func (f *plainFile) Readdirnames(int) ([]string, error) {
	defer f.p.take()()
	if f.listed {
		return nil, io.EOF
	}
	f.listed = true
	return f.p.system.List(f.name)
}

func (f *plainFile) Stat() (fs.FileInfo, error) {
	defer f.p.take()()
	size, err := f.opened.Size()
	return sized{f.name, size}, err
}

// sized is what is known of an open file.
type sized struct {
	name string
	size int64
}

func (s sized) Name() string       { return s.name }
func (s sized) Size() int64        { return s.size }
func (s sized) Mode() fs.FileMode  { return 0o600 }
func (s sized) ModTime() time.Time { return time.Time{} }
func (s sized) IsDir() bool        { return false }
func (s sized) Sys() any           { return nil }

var registered atomic.Int64

// register has SQLite find a file system by the name that is returned.
func register(files afero.Fs, open vfs.Opener) (string, func()) {
	name := fmt.Sprintf("cipher-%d", registered.Add(1))
	sqlitevfs.Register(name, vfs.New(files, open))
	return name, func() { sqlitevfs.Unregister(name) }
}

const (
	someKey  = "0f1e2d3c4b5a69788796a5b4c3d2e1f00112233445566778899aabbccddeeff0"
	otherKey = "EBESExQVFhcYGRobHB0eHyAhIiMkJSYnKCkqKywtLi8="
)

func has(err error, text string) bool { return err != nil && strings.Contains(err.Error(), text) }
