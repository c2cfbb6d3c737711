package fence

import (
	"io"
	"io/fs"
	"math/rand/v2"
	"time"
)

// A stage is the FS that a copy under test sees. What it reads may change at every
// tick: before each call, and between any two pieces of a read.
type stage struct {
	disk    disk // what a stale holder may change
	tick    func()
	fault   func(call string) error // nil: none
	pieces  int                     // bytes of a piece; 0: a read is one
	shuffle *rand.Rand              // the order of the pieces; nil: as they lie
	copies  disk
}

func (s *stage) step(call string) error {
	if s.tick != nil {
		s.tick()
	}
	if s.fault != nil {
		return s.fault(call)
	}
	return nil
}

func (s *stage) Open(name string) (File, error) {
	if err := s.step("open"); err != nil {
		return nil, err
	}
	n, there := s.disk[name]
	if !there {
		return nil, fs.ErrNotExist
	}
	return &source{s, name, n}, nil
}

func (s *stage) Create(name string, like fs.FileInfo) (File, error) {
	if err := s.step("create"); err != nil {
		return nil, err
	}
	_, there := s.disk[name]
	_, again := s.copies[name]
	if there || again {
		return nil, fs.ErrExist
	}
	s.copies.apply(op{kind: create, name: name})
	return &target{s, name, like}, nil
}

func (s *stage) Remove(name string) error {
	if err := s.step("remove"); err != nil {
		return err
	}
	if _, there := s.copies[name]; !there {
		return fs.ErrNotExist
	}
	delete(s.copies, name)
	return nil
}

func (s *stage) SyncDir() error { return s.step("syncdir") }

// A source is a file that is being copied. It stays the file that it was when it was
// opened, though another one may get its name.
type source struct {
	*stage
	name string
	last node
}

func (f *source) now() string {
	if n := f.disk[f.name]; n.id == f.last.id {
		f.last = n
	}
	return f.last.data
}

func (f *source) ReadAt(b []byte, off int64) (int, error) {
	if err := f.step("read"); err != nil {
		return 0, err
	}
	size := int64(len(f.now()))
	n := int(max(0, min(int64(len(b)), size-off)))
	for _, p := range f.order(n) {
		f.step("")
		piece := b[p:min(n, p+f.piece(n))]
		clear(piece)
		if now := f.now(); off+int64(p) < int64(len(now)) {
			copy(piece, now[off+int64(p):])
		}
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *source) piece(n int) int {
	if f.pieces == 0 {
		return max(n, 1)
	}
	return f.pieces
}

// order returns where the pieces of a read of n bytes begin.
func (f *source) order(n int) (starts []int) {
	for p := 0; p < n; p += f.piece(n) {
		starts = append(starts, p)
	}
	if f.shuffle != nil {
		f.shuffle.Shuffle(len(starts), func(i, j int) { starts[i], starts[j] = starts[j], starts[i] })
	}
	return starts
}

func (f *source) Stat() (fs.FileInfo, error)         { return info(len(f.now())), f.step("stat") }
func (f *source) WriteAt([]byte, int64) (int, error) { panic("the source was written to") }
func (f *source) Sync() error                        { panic("the source was synced") }
func (f *source) Close() error                       { return nil }

// A target is a copy.
type target struct {
	*stage
	name string
	like fs.FileInfo
}

func (f *target) ReadAt(b []byte, off int64) (int, error) {
	return (&tapeFile{&tape{disk: f.copies}, f.name}).ReadAt(b, off)
}

func (f *target) WriteAt(b []byte, off int64) (int, error) {
	if err := f.step("write"); err != nil {
		return 0, err
	}
	f.copies.apply(op{write, f.name, off, string(b)})
	return len(b), nil
}

func (f *target) Stat() (fs.FileInfo, error) { return f.like, nil }
func (f *target) Sync() error                { return f.step("sync") }
func (f *target) Close() error               { return f.step("close") }

// info describes a file of so many bytes, on a file system that does not tell one
// file from another.
type info int64

func (i info) Name() string     { return "" }
func (i info) Size() int64      { return int64(i) }
func (info) Mode() fs.FileMode  { return 0o640 }
func (info) ModTime() time.Time { return time.Time{} }
func (info) IsDir() bool        { return false }
func (info) Sys() any           { return nil }
