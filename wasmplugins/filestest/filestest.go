// Package filestest checks that a file system can hold databases, as a plugin brings one.
//
// A check returns an error, so that checks can be tested as well, and a command can run
// them. What a crash leaves is not checked here.
package filestest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"testing"

	"github.com/spf13/afero"

	"github.com/holdfastdb/holdfast/vfs/vfstest"
)

// A Subject is a file system under test, with an empty directory.
type Subject struct {
	// Open returns one more instance, which sees the files of the others, as another
	// process would. One that is an [io.Closer] is closed by the check.
	Open func() (afero.Fs, error)
	Dir  string
}

// A Check tests one promise and says how it was broken.
type Check struct {
	Name string
	Run  func(s Subject) error
}

// Checks are those of vfstest, and what else a database may meet.
var Checks = append(basic(),
	Check{"random operations do what they do in memory", agreesWithModel},
	Check{"another instance finds what was synced", foundByOthers},
	Check{"one that has a file open sees what another one writes", seenByOthers},
	Check{"a file takes the name of another", renameReplaces},
	Check{"a removed file does not disturb the next one of its name", removedWhileOpen},
	Check{"a file is emptied when it is opened, or cut to nothing, and used again", emptied},
	Check{"one mebibyte is transferred at once, from any place", largeTransfers},
	Check{"there can be many files, and many open ones", manyFiles},
	Check{"files and directories are told apart", statTells},
	Check{"errors say what is wrong", errorsSay},
	Check{"files can be used at the same time", atTheSameTime},
)

// basic are the checks of package vfstest, which use one instance.
func basic() (checks []Check) {
	for _, c := range vfstest.FileSystemChecks {
		checks = append(checks, Check{c.Name, func(s Subject) error {
			return with(s, 1, func(fs ...afero.Fs) error { return c.Run(fs[0], s.Dir) })
		}})
	}
	return checks
}

// Run runs every check as a subtest, each on a subject of its own.
func Run(t *testing.T, newSubject func(testing.TB) Subject) {
	for _, c := range Checks {
		t.Run(c.Name, func(t *testing.T) {
			if err := c.Run(newSubject(t)); err != nil {
				t.Error(err)
			}
		})
	}
}

// with does something with some instances, and closes them.
func with(s Subject, n int, do func(fs ...afero.Fs) error) (err error) {
	var all []afero.Fs
	defer func() {
		for _, fs := range all {
			if c, ok := fs.(io.Closer); ok {
				err = errors.Join(err, c.Close())
			}
		}
	}()
	for range n {
		fs, err := s.Open()
		if err != nil {
			return fmt.Errorf("open an instance: %w", err)
		}
		all = append(all, fs)
	}
	return do(all...)
}

// name is that of a file of the subject.
func (s Subject) name(base string) string { return path.Join(s.Dir, base) }

// put makes a file with some content, and closes it.
func put(fs afero.Fs, name string, content []byte) (err error) {
	f, err := fs.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.WriteAt(content, 0); err != nil {
		return err
	}
	return f.Sync()
}

// get returns the content of a file.
func get(fs afero.Fs, name string) (_ []byte, err error) {
	f, err := fs.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return content(f)
}

// content returns that of an open file.
func content(f afero.File) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	b := make([]byte, info.Size()+1)
	n, err := f.ReadAt(b, 0)
	if err != nil && err != io.EOF {
		return nil, err
	}
	if int64(n) != info.Size() {
		return nil, fmt.Errorf("%d bytes were read from a file of %d", n, info.Size())
	}
	return b[:n], nil
}

// holds compares the content of a file.
func holds(fs afero.Fs, name string, want []byte) error {
	got, err := get(fs, name)
	if err != nil {
		return err
	}
	return same(name, got, want)
}

// same says where two contents begin to differ.
func same(name string, got, want []byte) error {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return fmt.Errorf("%s: byte %d is %#x, want %#x", name, i, got[i], want[i])
		}
	}
	if len(got) != len(want) {
		return fmt.Errorf("%s has %d bytes, want %d", name, len(got), len(want))
	}
	return nil
}

// some returns bytes that do not repeat soon.
func some(n int, seed byte) []byte {
	b := make([]byte, n)
	x := uint32(seed) + 1
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}
