package leasefile

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/afero"
)

// A call is one system call, as far as a register cares.
type call struct {
	op   string // stat, open, create, list, read, write, sync, close, rename, remove, removeall or mkdir
	path string
	to   string // of a rename
}

// isSwap reports whether c moves a token or makes a register appear.
func (c call) isSwap() bool {
	return c.op == "rename" && (filepath.Ext(c.path) == tokenSuffix || strings.HasSuffix(c.to, Suffix))
}

// errSkip has a call succeed without being made.
var errSkip = errors.New("skipped")

// errTorn has a write fail half done.
var errTorn = errors.New("torn")

// A hookFs is a file system under the eyes of a test.
type hookFs struct {
	afero.Fs
	before func(call) error            // an error is returned instead of making the call
	after  func(call, error) error     // replaces the error of a call that was made
	flags  func(flag int) (forged int) // replaces the flags of OpenFile
}

// do makes a call under the hooks.
func (h *hookFs) do(c call, make func() error) error {
	if h.before != nil {
		switch err := h.before(c); {
		case err == errSkip:
			return nil
		case err != nil:
			return &os.PathError{Op: c.op, Path: c.path, Err: err}
		}
	}
	err := make()
	if h.after != nil {
		err = h.after(c, err)
	}
	return err
}

func (h *hookFs) Stat(name string) (info os.FileInfo, err error) {
	err = h.do(call{op: "stat", path: name}, func() error { info, err = h.Fs.Stat(name); return err })
	return info, err
}

func (h *hookFs) Open(name string) (afero.File, error) {
	return h.open(call{op: "open", path: name}, func() (afero.File, error) { return h.Fs.Open(name) })
}

func (h *hookFs) OpenFile(name string, flag int, perm os.FileMode) (afero.File, error) {
	if h.flags != nil {
		flag = h.flags(flag)
	}
	op := "create"
	if flag&os.O_CREATE == 0 {
		op = "open"
	}
	return h.open(call{op: op, path: name}, func() (afero.File, error) { return h.Fs.OpenFile(name, flag, perm) })
}

func (h *hookFs) open(c call, open func() (afero.File, error)) (afero.File, error) {
	var f afero.File
	err := h.do(c, func() (err error) { f, err = open(); return err })
	if err != nil {
		return nil, err
	}
	return &hookFile{f, h}, nil
}

func (h *hookFs) Rename(from, to string) error {
	return h.do(call{"rename", from, to}, func() error { return h.Fs.Rename(from, to) })
}

func (h *hookFs) Remove(name string) error {
	return h.do(call{op: "remove", path: name}, func() error { return h.Fs.Remove(name) })
}

func (h *hookFs) RemoveAll(name string) error {
	return h.do(call{op: "removeall", path: name}, func() error { return h.Fs.RemoveAll(name) })
}

func (h *hookFs) Mkdir(name string, perm os.FileMode) error {
	return h.do(call{op: "mkdir", path: name}, func() error { return h.Fs.Mkdir(name, perm) })
}

// A hookFile is an open file of a [hookFs].
type hookFile struct {
	afero.File
	h *hookFs
}

func (f *hookFile) Readdirnames(n int) (names []string, err error) {
	err = f.h.do(call{op: "list", path: f.Name()}, func() error { names, err = f.File.Readdirnames(n); return err })
	return names, err
}

func (f *hookFile) Read(p []byte) (n int, err error) {
	err = f.h.do(call{op: "read", path: f.Name()}, func() error { n, err = f.File.Read(p); return err })
	return n, err
}

func (f *hookFile) Write(p []byte) (n int, err error) {
	err = f.h.do(call{op: "write", path: f.Name()}, func() error { n, err = f.File.Write(p); return err })
	if errors.Is(err, errTorn) {
		n, _ = f.File.Write(p[:len(p)/2])
	}
	return n, err
}

func (f *hookFile) Sync() error {
	return f.h.do(call{op: "sync", path: f.Name()}, f.File.Sync)
}

func (f *hookFile) Close() error {
	err := f.h.do(call{op: "close", path: f.Name()}, f.File.Close)
	if err != nil {
		f.File.Close() // the test's own descriptors are not to run out
	}
	return err
}

// unsynced is a file system that does not sync, for tests that make many swaps
// and lose no power.
func unsynced() *hookFs {
	return &hookFs{Fs: afero.NewOsFs(), before: func(c call) error {
		if c.op == "sync" {
			return errSkip
		}
		return nil
	}}
}

// A lossyFs loses, once it was told to, the reply of the next rename that swaps,
// and then keeps the register from being looked at once.
type lossyFs struct {
	*hookFs
	lose, blind bool
}

func newLossyFs() *lossyFs {
	l := &lossyFs{hookFs: &hookFs{Fs: afero.NewOsFs()}}
	l.before = func(c call) error {
		if c.op == "open" && l.blind {
			l.blind = false
			return syscall.EIO
		}
		return nil
	}
	l.after = func(c call, err error) error {
		if l.lose && c.isSwap() && err == nil {
			l.lose, l.blind = false, true
			return syscall.EIO
		}
		return err
	}
	return l
}
