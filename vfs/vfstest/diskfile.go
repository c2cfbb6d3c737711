package vfstest

import (
	"io"
	"io/fs"
	"path"
	"syscall"

	"github.com/spf13/afero"
)

// A diskFile is an open file of a [Disk], or a directory if it has no inode.
type diskFile struct {
	disk   *Disk
	name   string
	file   *inode
	writes bool
	closed bool
	at     int64 // for Read, Write and Seek
	listed int   // how many entries Readdirnames has returned
}

var _ afero.File = (*diskFile)(nil)

// apply changes the content, and remembers that it was not synced.
func (i *inode) apply(c change) {
	i.changes = append(i.changes, c)
	i.data = c.on(i.data)
}

// on returns data with the change. It may change data in place.
func (c change) on(data []byte) []byte {
	size := int64(len(data))
	end := c.off + int64(len(c.data))
	if grow := end - size; grow > 0 {
		data = append(data, make([]byte, grow)...)
	}
	if c.data == nil {
		return data[:c.off:c.off] // what was cut off must not come back when it grows
	}
	copy(data[c.off:], c.data)
	return data
}

func (f *diskFile) Name() string { return f.name }

func (f *diskFile) Close() error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.closed {
		return fs.ErrClosed
	}
	f.closed = true
	return nil
}

func (f *diskFile) ReadAt(p []byte, off int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	switch {
	case f.closed:
		return 0, fs.ErrClosed
	case f.file == nil:
		return 0, fail("read", f.name, syscall.EISDIR)
	case off >= int64(len(f.file.data)):
		return 0, io.EOF
	}
	n := copy(p, f.file.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *diskFile) WriteAt(p []byte, off int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.writable("write"); err != nil || len(p) == 0 {
		return 0, err
	}
	f.file.apply(change{off, append([]byte(nil), p...)})
	return len(p), nil
}

// writable is called with mu held.
func (f *diskFile) writable(op string) error {
	switch {
	case f.closed:
		return fs.ErrClosed
	case !f.writes:
		return fail(op, f.name, syscall.EBADF)
	}
	return nil
}

func (f *diskFile) Truncate(size int64) error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.writable("truncate"); err != nil {
		return err
	}
	f.file.apply(change{off: size})
	return nil
}

// Sync makes the content of a file, or the names in a directory, durable.
func (f *diskFile) Sync() error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	switch {
	case f.closed:
		return fs.ErrClosed
	case f.file == nil:
		f.disk.syncNames(f.name)
	default:
		f.file.durable = append([]byte(nil), f.file.data...)
		f.file.changes = nil
	}
	return nil
}

func (f *diskFile) Read(p []byte) (int, error) {
	n, err := f.ReadAt(p, f.at)
	f.at += int64(n)
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

func (f *diskFile) Write(p []byte) (int, error) {
	n, err := f.WriteAt(p, f.at)
	f.at += int64(n)
	return n, err
}

func (f *diskFile) WriteString(s string) (int, error) { return f.Write([]byte(s)) }

func (f *diskFile) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += f.at
	case io.SeekEnd:
		info, err := f.Stat()
		if err != nil {
			return 0, err
		}
		offset += info.Size()
	}
	if offset < 0 {
		return 0, fail("seek", f.name, syscall.EINVAL)
	}
	f.at = offset
	return offset, nil
}

func (f *diskFile) Stat() (fs.FileInfo, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	switch {
	case f.closed:
		return nil, fs.ErrClosed
	case f.file == nil:
		return info{path.Base(f.name), 0, 0o777 | fs.ModeDir}, nil
	}
	return info{path.Base(f.name), int64(len(f.file.data)), 0o666}, nil
}

func (f *diskFile) Readdirnames(n int) ([]string, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.file != nil {
		return nil, fail("readdir", f.name, syscall.ENOTDIR)
	}
	all := f.disk.entries(f.name)
	left := all[min(f.listed, len(all)):]
	if n > 0 && len(left) == 0 {
		return nil, io.EOF
	}
	if n > 0 && n < len(left) {
		left = left[:n]
	}
	f.listed += len(left)
	return left, nil
}

func (f *diskFile) Readdir(n int) (infos []fs.FileInfo, err error) {
	names, err := f.Readdirnames(n)
	for _, name := range names {
		if info, err := f.disk.Stat(path.Join(f.name, name)); err == nil {
			infos = append(infos, info)
		}
	}
	return infos, err
}
