package vfstest

import (
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/spf13/afero"
)

// An Op is one call to a [Faulty] file system or a file of it.
type Op struct {
	N    int    // counted from 1
	Kind string // open, create, read, write, truncate, sync, syncdir, list, stat, remove, rename or mkdir
	Name string // of the file
	Size int    // of a write, in bytes
}

// String describes the call in a few words.
func (o Op) String() string { return fmt.Sprintf("%s of %s, operation %d", o.Kind, o.Name, o.N) }

// A Short is an error that lets the first bytes of a write through, as a disk does
// that fills up. Other calls fail with Err as a whole.
type Short struct {
	Bytes int
	Err   error
}

// Error is that of Err.
func (s Short) Error() string { return s.Err.Error() }

// Unwrap returns Err.
func (s Short) Unwrap() error { return s.Err }

// Faulty returns files with a chance to fail before each call: the call is made
// only if fault returns nil. Calls of fault come one at a time. Closing a file
// never fails, and is no operation.
func Faulty(files afero.Fs, fault func(Op) error) afero.Fs {
	return &faultyFs{Fs: files, fault: fault}
}

type faultyFs struct {
	afero.Fs
	mu    sync.Mutex
	n     int            // guarded by mu
	fault func(Op) error // called with mu held
}

func (f *faultyFs) ask(kind, name string, size int) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
	return f.fault(Op{f.n, kind, name, size})
}

// asked returns what a call without a result of its own returns.
func (f *faultyFs) asked(kind, name string, call func() error) error {
	if err := f.ask(kind, name, 0); err != nil {
		return fail(kind, name, err)
	}
	return call()
}

func (f *faultyFs) Name() string { return "vfstest.Faulty over " + f.Fs.Name() }

func (f *faultyFs) OpenFile(name string, flag int, perm fs.FileMode) (afero.File, error) {
	kind := "open"
	if flag&os.O_CREATE != 0 {
		kind = "create"
	}
	if err := f.ask(kind, name, 0); err != nil {
		return nil, fail(kind, name, err)
	}
	file, err := f.Fs.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return &faultyFile{file, f}, nil
}

func (f *faultyFs) Open(name string) (afero.File, error) { return f.OpenFile(name, os.O_RDONLY, 0) }

func (f *faultyFs) Create(name string) (afero.File, error) {
	return f.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0666)
}

func (f *faultyFs) Stat(name string) (info fs.FileInfo, err error) {
	err = f.asked("stat", name, func() (err error) { info, err = f.Fs.Stat(name); return err })
	return info, err
}

func (f *faultyFs) Remove(name string) error {
	return f.asked("remove", name, func() error { return f.Fs.Remove(name) })
}

func (f *faultyFs) RemoveAll(name string) error {
	return f.asked("remove", name, func() error { return f.Fs.RemoveAll(name) })
}

func (f *faultyFs) Rename(from, to string) error {
	return f.asked("rename", from, func() error { return f.Fs.Rename(from, to) })
}

func (f *faultyFs) Mkdir(name string, perm fs.FileMode) error {
	return f.asked("mkdir", name, func() error { return f.Fs.Mkdir(name, perm) })
}

func (f *faultyFs) MkdirAll(name string, perm fs.FileMode) error {
	return f.asked("mkdir", name, func() error { return f.Fs.MkdirAll(name, perm) })
}

func (f *faultyFs) Chmod(name string, mode fs.FileMode) error { return f.Fs.Chmod(name, mode) }

func (f *faultyFs) Chtimes(name string, atime, mtime time.Time) error {
	return f.Fs.Chtimes(name, atime, mtime)
}

type faultyFile struct {
	afero.File
	fs *faultyFs
}

func (f *faultyFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.fs.ask("read", f.Name(), 0); err != nil {
		return 0, fail("read", f.Name(), err)
	}
	return f.File.ReadAt(p, off)
}

func (f *faultyFile) WriteAt(p []byte, off int64) (int, error) {
	err := f.fs.ask("write", f.Name(), len(p))
	if short, ok := err.(Short); ok && short.Bytes < len(p) {
		n, _ := f.File.WriteAt(p[:short.Bytes], off)
		return n, fail("write", f.Name(), short.Err)
	}
	if err != nil {
		return 0, fail("write", f.Name(), err)
	}
	return f.File.WriteAt(p, off)
}

func (f *faultyFile) Truncate(size int64) error {
	return f.fs.asked("truncate", f.Name(), func() error { return f.File.Truncate(size) })
}

func (f *faultyFile) Sync() error {
	kind := "sync"
	if info, err := f.File.Stat(); err == nil && info.IsDir() {
		kind = "syncdir"
	}
	return f.fs.asked(kind, f.Name(), f.File.Sync)
}

func (f *faultyFile) Readdirnames(n int) (names []string, err error) {
	err = f.fs.asked("list", f.Name(), func() (err error) { names, err = f.File.Readdirnames(n); return err })
	return names, err
}
