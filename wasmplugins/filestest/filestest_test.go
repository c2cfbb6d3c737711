package filestest

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/spf13/afero"
)

// onDisk is a subject that keeps every promise, but for what a fault breaks.
func onDisk(f fault) func(testing.TB) Subject {
	return func(t testing.TB) Subject {
		return Subject{Dir: t.TempDir(), Open: func() (afero.Fs, error) {
			return &faulty{Fs: afero.NewOsFs(), fault: f}, nil
		}}
	}
}

func TestHonest(t *testing.T) { Run(t, onDisk("")) }

// A fault is what a file system does wrong.
type fault string

// faults are the checks that must find each.
var faults = map[fault][]string{
	"reads stop at the edge of a block":  {"random operations", "one mebibyte"},
	"a hole has what was there before":   {"random operations"},
	"instances remember what they read":  {"one that has a file open"},
	"rename leaves what has the name":    {"a file takes the name"},
	"rename writes into the other file":  {"a file takes the name"},
	"a new file is the removed one":      {"a removed file does not"},
	"opening does not empty":             {"a file is emptied"},
	"large writes are cut":               {"one mebibyte"},
	"few files can be open":              {"there can be many"},
	"the list is cut":                    {"there can be many"},
	"sizes are those of the medium":      {"files and directories are told"},
	"a missing file is an error of i/o":  {"errors say"},
	"exclusive creation is not":          {"errors say", "exclusive creation"},
	"others find nothing":                {"another instance finds"},
	"handles share their bytes with all": {"files can be used"},
}

// Each check finds what it is there for.
func TestPlantedFaults(t *testing.T) {
	for f, names := range faults {
		for _, name := range names {
			t.Run(string(f)+"/"+name, func(t *testing.T) {
				i := slices.IndexFunc(Checks, func(c Check) bool { return strings.HasPrefix(c.Name, name) })
				if i < 0 {
					t.Fatal("there is no such check")
				}
				if err := Checks[i].Run(onDisk(f)(t)); err == nil {
					t.Error("the check found nothing")
				}
			})
		}
	}
}

// A faulty file system has one fault.
type faulty struct {
	afero.Fs
	fault fault
	open  atomic.Int32
	last  atomic.Pointer[string] // name of the file that was opened last
}

func (f *faulty) Open(name string) (afero.File, error) { return f.OpenFile(name, os.O_RDONLY, 0) }

func (f *faulty) OpenFile(name string, flag int, perm fs.FileMode) (afero.File, error) {
	switch f.fault {
	case "opening does not empty":
		flag &^= os.O_TRUNC
	case "exclusive creation is not":
		flag &^= os.O_EXCL
	case "few files can be open":
		if f.open.Load() > 8 {
			return nil, errors.New("too many files")
		}
	case "others find nothing":
		if f.last.Load() == nil && flag&os.O_CREATE == 0 {
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		}
	}
	file, err := f.Fs.OpenFile(name, flag, perm)
	if err != nil {
		return nil, f.told(err)
	}
	f.open.Add(1)
	f.last.Store(&name)
	return &faultyFile{File: file, fs: f}, nil
}

func (f *faulty) told(err error) error {
	if err != nil && f.fault == "a missing file is an error of i/o" {
		return io.ErrNoProgress
	}
	return err
}

func (f *faulty) Rename(from, to string) error {
	switch f.fault {
	case "rename leaves what has the name":
		if _, err := f.Fs.Stat(to); err == nil {
			return f.Fs.Remove(from)
		}
	case "rename writes into the other file":
		b, err := afero.ReadFile(f.Fs, from)
		if err != nil {
			return err
		}
		return errors.Join(afero.WriteFile(f.Fs, to, b, 0o600), f.Fs.Remove(from))
	}
	return f.told(f.Fs.Rename(from, to))
}

func (f *faulty) Remove(name string) error {
	if f.fault == "a new file is the removed one" {
		return nil
	}
	return f.told(f.Fs.Remove(name))
}

func (f *faulty) Stat(name string) (fs.FileInfo, error) {
	info, err := f.Fs.Stat(name)
	if err == nil && f.fault == "sizes are those of the medium" {
		return larger{info}, nil
	}
	return info, f.told(err)
}

type larger struct{ fs.FileInfo }

func (l larger) Size() int64 { return l.FileInfo.Size() + 40 }

type faultyFile struct {
	afero.File
	fs   *faulty
	seen []byte // what the first read saw
}

func (f *faultyFile) Close() error {
	f.fs.open.Add(-1)
	return f.File.Close()
}

func (f *faultyFile) Readdirnames(n int) ([]string, error) {
	names, err := f.File.Readdirnames(n)
	if f.fs.fault == "the list is cut" {
		names = names[:min(len(names), 100)]
	}
	return names, err
}

func (f *faultyFile) ReadAt(p []byte, off int64) (int, error) {
	switch f.fs.fault {
	case "reads stop at the edge of a block":
		if edge := 4096 - off%4096; int64(len(p)) > edge && edge < 10 {
			n, err := f.File.ReadAt(p[:edge], off)
			clear(p[n:])
			if err == nil {
				n = len(p)
			}
			return n, err
		}
	case "instances remember what they read":
		if f.seen == nil {
			f.seen = make([]byte, 4<<20)
			n, _ := f.File.ReadAt(f.seen, 0)
			f.seen = f.seen[:n]
		}
		if off >= int64(len(f.seen)) {
			return 0, io.EOF
		}
		n := copy(p, f.seen[off:])
		if n < len(p) {
			return n, io.EOF
		}
		return n, nil
	case "handles share their bytes with all":
		other, err := f.fs.Fs.Open(*f.fs.last.Load())
		if err == nil {
			defer other.Close()
			return other.ReadAt(p, off)
		}
	}
	return f.File.ReadAt(p, off)
}

func (f *faultyFile) WriteAt(p []byte, off int64) (int, error) {
	if f.fs.fault == "large writes are cut" && len(p) > 1<<20 {
		f.File.WriteAt(p[:1<<20], off)
		return len(p), nil
	}
	return f.File.WriteAt(p, off)
}

func (f *faultyFile) Truncate(size int64) error {
	if f.fs.fault == "a hole has what was there before" {
		info, err := f.File.Stat()
		if err != nil {
			return err
		}
		if now := info.Size(); now < size {
			_, err := f.File.WriteAt(some(int(size-now), 9), now)
			return err
		}
	}
	return f.File.Truncate(size)
}
