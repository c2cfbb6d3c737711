//go:build !wasip1

package main

import (
	"os"
	"testing"

	"github.com/spf13/afero"

	"github.com/holdfastdb/holdfast/wasmplugins/filestest"
)

// Files of all kinds keep what a database needs of them.
func TestFiles(t *testing.T) {
	for _, suffix := range []string{"", "-wal"} {
		t.Run("files*"+suffix, func(t *testing.T) {
			filestest.Run(t, func(t testing.TB) filestest.Subject {
				dir := t.TempDir()
				return filestest.Subject{Dir: dir, Open: func() (afero.Fs, error) {
					return suffixed{newPlain(t, afero.NewOsFs(), someKey), suffix, dir}, nil
				}}
			})
		})
	}
}

// A suffixed file system adds something to the names of its files.
type suffixed struct {
	plain
	suffix, dir string
}

func (s suffixed) name(name string) string {
	if name == s.dir {
		return name
	}
	return name + s.suffix
}

func (s suffixed) Stat(name string) (os.FileInfo, error) {
	info, err := s.plain.Stat(s.name(name))
	if err != nil {
		return nil, err
	}
	return shorter{info, s.suffix}, nil
}

func (s suffixed) Remove(name string) error             { return s.plain.Remove(s.name(name)) }
func (s suffixed) Rename(from, to string) error         { return s.plain.Rename(s.name(from), s.name(to)) }
func (s suffixed) Open(name string) (afero.File, error) { return s.OpenFile(name, os.O_RDONLY, 0) }

func (s suffixed) OpenFile(name string, flag int, perm os.FileMode) (afero.File, error) {
	f, err := s.plain.OpenFile(s.name(name), flag, perm)
	if err != nil {
		return nil, err
	}
	return shorterNames{f, s.suffix}, nil
}

type shorter struct {
	os.FileInfo
	suffix string
}

func (s shorter) Name() string { return cut(s.FileInfo.Name(), s.suffix) }

type shorterNames struct {
	afero.File
	suffix string
}

func (s shorterNames) Readdirnames(n int) ([]string, error) {
	names, err := s.File.Readdirnames(n)
	for i := range names {
		names[i] = cut(names[i], s.suffix)
	}
	return names, err
}

func cut(name, suffix string) string { return name[:len(name)-len(suffix)] }
