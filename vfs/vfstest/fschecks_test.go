package vfstest_test

import (
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/holdfastdb/holdfast/vfs/vfstest"
	"github.com/spf13/afero"
)

func TestFileSystems(t *testing.T) {
	for name, newDir := range map[string]func(testing.TB) (afero.Fs, string){
		"os":        func(t testing.TB) (afero.Fs, string) { return afero.NewOsFs(), t.TempDir() },
		"base path": func(t testing.TB) (afero.Fs, string) { return afero.NewBasePathFs(afero.NewOsFs(), t.TempDir()), "/" },
		"disk":      func(testing.TB) (afero.Fs, string) { return vfstest.NewDisk(), "/" },
		"disk after a power cut": func(testing.TB) (afero.Fs, string) {
			return vfstest.NewDisk().PowerCut(rng(1)), "/"
		},
		"faulty": func(testing.TB) (afero.Fs, string) {
			return vfstest.Faulty(vfstest.NewDisk(), func(vfstest.Op) error { return nil }), "/"
		},
	} {
		t.Run(name, func(t *testing.T) { vfstest.RunFileSystem(t, newDir) })
	}
}

// liar is a file system with one fault.
type liar struct {
	afero.Fs
	fault string
}

type liarFile struct {
	afero.File
	fault string
}

func (l liar) OpenFile(name string, flag int, perm fs.FileMode) (afero.File, error) {
	switch l.fault {
	case "creation is not exclusive":
		flag &^= os.O_EXCL
	case "opening creates":
		flag |= os.O_CREATE
	case "reading may write":
		flag |= os.O_RDWR
	}
	f, err := l.Fs.OpenFile(name, flag, perm)
	return liarFile{f, l.fault}, err
}

func (l liar) Open(name string) (afero.File, error) {
	f, err := l.Fs.Open(name)
	return liarFile{f, l.fault}, err
}

func (l liar) Remove(name string) error {
	if l.fault == "removal empties" {
		f, err := l.Fs.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		return f.Truncate(0)
	}
	return l.Fs.Remove(name)
}

func (f liarFile) WriteAt(p []byte, off int64) (int, error) {
	switch {
	case f.fault == "writes are lost" && off > 0:
		return len(p), nil
	case f.fault == "a gap is filled":
		if info, err := f.File.Stat(); err == nil && off > info.Size() {
			f.File.WriteAt([]byte(strings.Repeat("x", int(off-info.Size()))), info.Size())
		}
	}
	return f.File.WriteAt(p, off)
}

func (f liarFile) Truncate(size int64) error {
	if f.fault == "nothing is cut" {
		return nil
	}
	return f.File.Truncate(size)
}

func (f liarFile) Sync() error {
	if f.fault == "sync is not supported" {
		return fs.ErrInvalid
	}
	return f.File.Sync()
}

func (f liarFile) Readdirnames(n int) ([]string, error) {
	names, err := f.File.Readdirnames(n)
	if f.fault == "one name is missing" && len(names) > 0 {
		return names[1:], err
	}
	return names, err
}

func (f liarFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(p, off)
	if f.fault == "reading never ends" && err == io.EOF {
		clear(p[n:])
		return len(p), nil
	}
	return n, err
}

func TestFileSystemChecksFindPlantedFaults(t *testing.T) {
	for fault, check := range map[string]string{
		"creation is not exclusive": "exclusive creation happens once",
		"opening creates":           "a missing file is missing",
		"reading may write":         "reading may not write",
		"removal empties":           "a removed file is gone, and a new one is empty",
		"writes are lost":           "what is written is read, by all handles",
		"a gap is filled":           "a gap reads as zeros",
		"nothing is cut":            "truncation cuts, and what grows again is zeros",
		"sync is not supported":     "files and directories can be synced",
		"one name is missing":       "a directory lists its files",
		"reading never ends":        "what is written is read, by all handles",
	} {
		t.Run(fault, func(t *testing.T) {
			for _, c := range vfstest.FileSystemChecks {
				if c.Name != check {
					continue
				}
				if err := c.Run(liar{vfstest.NewDisk(), fault}, "/"); err == nil {
					t.Errorf("%q found nothing", check)
				} else {
					t.Log(err)
				}
				return
			}
			t.Errorf("there is no check %q", check)
		})
	}
}
