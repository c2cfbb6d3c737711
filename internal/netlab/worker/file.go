package main

import (
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"

	"github.com/spf13/afero"

	"github.com/holdfastdb/holdfast/internal/netlab/workload"
)

// A file is one that is open, and whose operations meet traps.
type file struct {
	afero.File
	system fileSystem
	name   string
}

// A systemFile is a file whose descriptor may be had.
type systemFile struct {
	*file
	syscall.Conn
}

func (f *file) meet(kind string, do func()) {
	f.system.files.traps.meet(operation{kind: kind, name: f.name}, do)
}

func (f *file) ReadAt(p []byte, off int64) (n int, err error) {
	f.meet(workload.OpRead, func() { n, err = f.File.ReadAt(p, off) })
	return n, err
}

func (f *file) Read(p []byte) (n int, err error) {
	f.meet(workload.OpRead, func() { n, err = f.File.Read(p) })
	return n, err
}

func (f *file) WriteAt(p []byte, off int64) (n int, err error) {
	o := operation{kind: workload.OpWrite, name: f.name, data: p}
	f.system.files.note(o, off)
	f.system.files.traps.meet(o, func() { n, err = f.File.WriteAt(p, off) })
	return n, err
}

func (f *file) Write(p []byte) (n int, err error) {
	f.system.files.traps.meet(operation{kind: workload.OpWrite, name: f.name, data: p}, func() { n, err = f.File.Write(p) })
	return n, err
}

func (f *file) WriteString(s string) (int, error) { return f.Write([]byte(s)) }

func (f *file) Truncate(size int64) (err error) {
	f.system.files.note(operation{kind: workload.OpTruncate, name: f.name}, size)
	f.meet(workload.OpTruncate, func() { err = f.File.Truncate(size) })
	return err
}

func (f *file) Stat() (info fs.FileInfo, err error) {
	f.meet(workload.OpStat, func() { info, err = f.File.Stat() })
	return info, err
}

func (f *file) Readdirnames(n int) (names []string, err error) {
	f.meet(workload.OpList, func() { names, err = f.File.Readdirnames(n) })
	return names, err
}

func (f *file) Sync() (err error) {
	f.meet(workload.OpSync, func() {
		if o := systemFileOf(f.File); f.system.data && o != nil {
			err = syncData(o)
			return
		}
		err = f.File.Sync()
	})
	return err
}

func systemFileOf(f afero.File) *os.File {
	switch f := f.(type) {
	case *os.File:
		return f
	case unclosed:
		return f.File
	}
	return nil
}

// An unclosed file stays open. A [file] of it has no SyscallConn by which the kernel's
// cache of it could be dropped.
type unclosed struct{ *os.File }

func (unclosed) Close() error { return nil }

// An unfresh directory is listed through one descriptor that stays open, and that nobody
// gets hold of who would drop the kernel's cache of it.
type unfresh struct {
	afero.File
	turn   *sync.Mutex
	listed bool
	names  []string
}

// Readdirnames takes the whole listing at once, since others list it too.
func (d *unfresh) Readdirnames(n int) ([]string, error) {
	if !d.listed {
		d.turn.Lock()
		defer d.turn.Unlock()
		if _, err := d.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
		var err error
		if d.names, err = d.File.Readdirnames(-1); err != nil {
			return nil, err
		}
		d.listed = true
	}
	if len(d.names) == 0 {
		return nil, io.EOF
	}
	if n <= 0 || n > len(d.names) {
		n = len(d.names)
	}
	some := d.names[:n]
	d.names = d.names[n:]
	return some, nil
}
