package vfstest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/spf13/afero"
)

// A FileSystemCheck tests one thing that a database needs of an afero file system,
// in an empty directory, and says what is wrong.
type FileSystemCheck struct {
	Name string
	Run  func(files afero.Fs, dir string) error
}

// RunFileSystem runs every check as a subtest, each in an empty directory.
func RunFileSystem(t *testing.T, newDir func(testing.TB) (files afero.Fs, dir string)) {
	for _, c := range FileSystemChecks {
		t.Run(c.Name, func(t *testing.T) {
			files, dir := newDir(t)
			if err := c.Run(files, dir); err != nil {
				t.Error(err)
			}
		})
	}
}

// FileSystemChecks are what a file system must do to hold databases. A read that
// returns less than there is, without an error, is allowed for.
var FileSystemChecks = []FileSystemCheck{
	{"a missing file is missing", missingIsMissing},
	{"exclusive creation happens once", exclusiveOnce},
	{"what is written is read, by all handles", writtenIsRead},
	{"a gap reads as zeros", gapIsZero},
	{"truncation cuts, and what grows again is zeros", truncationCuts},
	{"a removed file is gone, and a new one is empty", removedIsGone},
	{"a directory lists its files", directoryLists},
	{"files and directories can be synced", canSync},
	{"reading may not write", readOnlyMayNotWrite},
}

const (
	createRW = os.O_RDWR | os.O_CREATE
	someText = "some text"
)

func create(files afero.Fs, name, content string) (afero.File, error) {
	f, err := files.OpenFile(name, createRW, 0666)
	if err != nil {
		return nil, err
	}
	if _, err := f.WriteAt([]byte(content), 0); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// readAll reads n bytes or up to the end, in as many pieces as it takes.
func readAll(f afero.File, off int64, n int) ([]byte, error) {
	got := make([]byte, n)
	done := 0
	for done < n {
		m, err := f.ReadAt(got[done:], off+int64(done))
		done += m
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || err == nil && m == 0 {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	return got[:done], nil
}

func expect(f afero.File, off int64, want []byte) error {
	got, err := readAll(f, off, len(want)+1)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("read %q at %d, want %q", got, off, want)
	}
	return nil
}

func missingIsMissing(files afero.Fs, dir string) error {
	name := filepath.Join(dir, "missing")
	if _, err := files.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("stat = %v, want %v", err, fs.ErrNotExist)
	}
	if f, err := files.OpenFile(name, os.O_RDWR, 0666); !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			f.Close()
		}
		return fmt.Errorf("open = %v, want %v", err, fs.ErrNotExist)
	}
	if err := files.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove = %v, want %v", err, fs.ErrNotExist)
	}
	return nil
}

func exclusiveOnce(files afero.Fs, dir string) error {
	name := filepath.Join(dir, "once")
	f, err := files.OpenFile(name, createRW|os.O_EXCL, 0666)
	if err != nil {
		return err
	}
	defer f.Close()
	if f, err := files.OpenFile(name, createRW|os.O_EXCL, 0666); !errors.Is(err, fs.ErrExist) {
		if err == nil {
			f.Close()
		}
		return fmt.Errorf("second creation = %v, want %v", err, fs.ErrExist)
	}
	return nil
}

func writtenIsRead(files afero.Fs, dir string) error {
	name := filepath.Join(dir, "file")
	a, err := create(files, name, someText)
	if err != nil {
		return err
	}
	defer a.Close()
	b, err := files.OpenFile(name, os.O_RDWR, 0666)
	if err != nil {
		return err
	}
	defer b.Close()
	if _, err := b.WriteAt([]byte("TEXT"), 5); err != nil {
		return err
	}
	for _, f := range []afero.File{a, b} {
		if err := expect(f, 0, []byte("some TEXT")); err != nil {
			return err
		}
		if info, err := f.Stat(); err != nil || info.Size() != 9 {
			return fmt.Errorf("size = %v, %v, want 9", info, err)
		}
	}
	return expect(a, 100, nil)
}

func gapIsZero(files afero.Fs, dir string) error {
	f, err := create(files, filepath.Join(dir, "file"), "")
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("end"), 5000); err != nil {
		return err
	}
	return expect(f, 0, append(make([]byte, 5000), "end"...))
}

func truncationCuts(files afero.Fs, dir string) error {
	f, err := create(files, filepath.Join(dir, "file"), someText)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(4); err != nil {
		return err
	}
	if err := expect(f, 0, []byte("some")); err != nil {
		return err
	}
	if err := f.Truncate(6); err != nil {
		return err
	}
	return expect(f, 0, []byte("some\x00\x00"))
}

func removedIsGone(files afero.Fs, dir string) error {
	name := filepath.Join(dir, "file")
	f, err := create(files, name, someText)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := files.Remove(name); err != nil {
		return err
	}
	if _, err := files.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("stat after removal = %v, want %v", err, fs.ErrNotExist)
	}
	again, err := create(files, name, "")
	if err != nil {
		return err
	}
	defer again.Close()
	return expect(again, 0, nil)
}

func directoryLists(files afero.Fs, dir string) error {
	for _, name := range []string{"a", "b", "c"} {
		f, err := create(files, filepath.Join(dir, name), "")
		if err != nil {
			return err
		}
		f.Close()
	}
	if err := files.Remove(filepath.Join(dir, "b")); err != nil {
		return err
	}
	d, err := files.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	slices.Sort(names)
	if err != nil || !slices.Equal(names, []string{"a", "c"}) {
		return fmt.Errorf("names = %q, %v", names, err)
	}
	return nil
}

func canSync(files afero.Fs, dir string) error {
	f, err := create(files, filepath.Join(dir, "file"), someText)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync of a file: %w", err)
	}
	d, err := files.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync of a directory: %w", err)
	}
	return nil
}

func readOnlyMayNotWrite(files afero.Fs, dir string) error {
	name := filepath.Join(dir, "file")
	f, err := create(files, name, someText)
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := files.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer r.Close()
	if _, err := r.WriteAt([]byte("x"), 0); err == nil {
		return errors.New("a file opened for reading was written")
	}
	return expect(f, 0, []byte(someText))
}
