package wasmplugins

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"math"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/spf13/afero"

	"github.com/holdfastdb/holdfast/internal/fsscheme"
)

// A fileInfo is what a plugin says of a file.
type fileInfo struct {
	name     string
	size     int64
	mode     fs.FileMode
	modified time.Time
}

func (i fileInfo) Name() string       { return i.name }
func (i fileInfo) Size() int64        { return i.size }
func (i fileInfo) Mode() fs.FileMode  { return i.mode }
func (i fileInfo) ModTime() time.Time { return i.modified }
func (i fileInfo) IsDir() bool        { return i.mode.IsDir() }
func (i fileInfo) Sys() any           { return nil }

var _ afero.File = (*file)(nil)

// A file is one that is open in a plugin.
type file struct {
	fs       *FS
	instance *Instance
	name     string
	handle   uint32

	closed bool // guarded by fs.mu

	mu     sync.Mutex
	at     int64    // guarded by mu
	names  []string // of a directory, that are left to be read; guarded by mu
	listed bool     // guarded by mu
}

// do has the file's own instance do something.
func (f *file) do(op, export string, most int, input [][]byte, args ...uint64) ([]byte, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return f.locked(op, export, most, input, args...)
}

// locked is [file.do] with fs.mu held.
func (f *file) locked(op, export string, most int, input [][]byte, args ...uint64) ([]byte, error) {
	if f.closed {
		return nil, &fs.PathError{Op: op, Path: f.name, Err: fs.ErrClosed}
	}
	reply, err := f.instance.call(f.fs.ctx, export, most, input, append([]uint64{uint64(f.handle)}, args...)...)
	if errors.Is(err, ErrBroken) {
		err = brokenFile{err}
	}
	if err != nil {
		return nil, &fs.PathError{Op: op, Path: f.name, Err: err}
	}
	return reply, nil
}

// A brokenFile says of a file that its instance broke, so that it is opened anew.
type brokenFile struct{ error }

func (b brokenFile) Unwrap() []error { return []error{b.error, fsscheme.ErrBroken} }

func (f *file) Name() string { return f.name }

func (f *file) Close() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	_, err := f.locked("close", exportFSClose, 0, nil)
	f.closed = true
	return err
}

// within refuses what begins before a file, or ends beyond any.
func (f *file) within(op string, off int64, n int) error {
	if off < 0 || off > math.MaxInt64-int64(n) {
		return &fs.PathError{Op: op, Path: f.name, Err: fs.ErrInvalid}
	}
	return nil
}

func (f *file) ReadAt(p []byte, off int64) (n int, err error) {
	if err := f.within("read", off, len(p)); err != nil {
		return 0, err
	}
	for n < len(p) {
		want := min(len(p)-n, mostTransfer)
		reply, err := f.do("read", exportFSRead, want, nil, uint64(off+int64(n)), uint64(want))
		if err != nil {
			return n, err
		}
		n += copy(p[n:], reply)
		if len(reply) < want {
			return n, io.EOF
		}
	}
	return n, nil
}

func (f *file) WriteAt(p []byte, off int64) (n int, err error) {
	if err := f.within("write", off, len(p)); err != nil {
		return 0, err
	}
	for n < len(p) {
		b := p[n:min(len(p), n+mostTransfer)]
		if _, err := f.do("write", exportFSWrite, 0, [][]byte{b}, uint64(off+int64(n)), uint64(len(b))); err != nil {
			return n, err
		}
		n += len(b)
	}
	return n, nil
}

func (f *file) Read(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.ReadAt(p, f.at)
	f.at += int64(n)
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

func (f *file) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.WriteAt(p, f.at)
	f.at += int64(n)
	return n, err
}

func (f *file) WriteString(s string) (int, error) { return f.Write([]byte(s)) }

func (f *file) Seek(off int64, whence int) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch whence {
	case io.SeekCurrent:
		off += f.at
	case io.SeekEnd:
		size, err := f.size()
		if err != nil {
			return f.at, err
		}
		off += size
	}
	if off < 0 {
		return f.at, &fs.PathError{Op: "seek", Path: f.name, Err: fs.ErrInvalid}
	}
	f.at = off
	return off, nil
}

func (f *file) Truncate(size int64) error {
	if err := f.within("truncate", size, 0); err != nil {
		return err
	}
	_, err := f.do("truncate", exportFSTruncate, 0, nil, uint64(size))
	return err
}

func (f *file) Sync() error {
	_, err := f.do("sync", exportFSSync, 0, nil)
	return err
}

func (f *file) size() (int64, error) {
	reply, err := f.do("size", exportFSSize, 8, nil)
	if err == nil && (len(reply) != 8 || int64(binary.LittleEndian.Uint64(reply)) < 0) {
		err = &fs.PathError{Op: "size", Path: f.name, Err: f.instance.strayed(exportFSSize, reply)}
	}
	if err != nil {
		return 0, err
	}
	return int64(binary.LittleEndian.Uint64(reply)), nil
}

// Stat has the size of the file that is open, and the rest of the one that has its name now.
func (f *file) Stat() (fs.FileInfo, error) {
	size, err := f.size()
	if err != nil {
		return nil, err
	}
	info, err := f.fs.Stat(f.name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fileInfo{name: path.Base(f.name), size: size}, nil
	case err != nil:
		return nil, err
	case info.IsDir():
		return info, nil
	}
	known := info.(fileInfo)
	known.size = size
	return known, nil
}

// Readdirnames returns the names in a directory.
func (f *file) Readdirnames(n int) (names []string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.listed {
		where := inside(f.name)
		_, reply, err := f.fs.on("readdir", f.name, exportFSList, mostNames, [][]byte{where}, uint64(len(where)))
		if err != nil {
			return nil, err
		}
		for _, name := range bytes.Split(reply, []byte{0}) {
			if s := string(name); s != "" && s != "." && s != ".." && !strings.ContainsAny(s, `/\`) {
				f.names = append(f.names, s)
			}
		}
		f.listed = true
	}
	if n <= 0 {
		names, f.names = f.names, nil
		return names, nil
	}
	if len(f.names) == 0 {
		return nil, io.EOF
	}
	n = min(n, len(f.names))
	names, f.names = f.names[:n], f.names[n:]
	return names, nil
}

// Readdir returns what is known of what is in a directory.
func (f *file) Readdir(n int) (found []fs.FileInfo, err error) {
	names, err := f.Readdirnames(n)
	for _, name := range names {
		info, err := f.fs.Stat(path.Join(f.name, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return found, err
		}
		found = append(found, info)
	}
	return found, err
}
