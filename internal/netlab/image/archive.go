//go:build linux

package image

import (
	"bufio"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/cavaliergopher/cpio"
)

// An archive writes an initial file system: a cpio archive in which all belongs to root. Directories come by themselves, before what
// lies in them. The first error stays, and close returns it.
type archive struct {
	buf  *bufio.Writer
	to   *cpio.Writer
	made map[string]bool // paths that are in it
	err  error
}

func newArchive(w io.Writer) *archive {
	buf := bufio.NewWriterSize(w, 1<<20)
	return &archive{buf: buf, to: cpio.NewWriter(buf), made: map[string]bool{".": true}}
}

// dir adds a directory and those above it.
func (a *archive) dir(name string) {
	if a.made[name] {
		return
	}
	a.dir(path.Dir(name))
	mode := cpio.FileMode(0o755)
	if name == "tmp" {
		mode = 0o1777
	}
	a.add(name, cpio.TypeDir|mode, 0, strings.NewReader(""))
}

// link adds a symbolic link.
func (a *archive) link(name, target string) {
	a.dir(path.Dir(name))
	a.add(name, cpio.TypeSymlink|0o777, int64(len(target)), strings.NewReader(target))
}

// text adds a file that holds s.
func (a *archive) text(name string, mode cpio.FileMode, s string) {
	a.dir(path.Dir(name))
	a.add(name, cpio.TypeReg|mode, int64(len(s)), strings.NewReader(s))
}

// file adds a file with the content and the permissions of one of the host; links are followed.
func (a *archive) file(name, from string) {
	name = canonical(name)
	a.dir(path.Dir(name))
	f, err := os.Open(from)
	if err != nil {
		a.fail(err)
		return
	}
	defer f.Close()
	s, err := f.Stat()
	if err != nil {
		a.fail(err)
		return
	}
	a.add(name, cpio.TypeReg|cpio.FileMode(s.Mode().Perm()), s.Size(), f)
}

// canonical is the path without a link into /usr, which would make a directory of its own in the archive.
func canonical(name string) string {
	for _, m := range merged {
		if strings.HasPrefix(name, m+"/") {
			return filepath.Join("usr", name)
		}
	}
	return name
}

// add writes one entry, once.
func (a *archive) add(name string, mode cpio.FileMode, size int64, data io.Reader) {
	if a.err != nil || a.made[name] {
		return
	}
	a.made[name] = true
	a.fail(a.to.WriteHeader(&cpio.Header{Name: name, Mode: mode, Size: size, Links: 1}))
	if a.err == nil {
		_, err := io.Copy(a.to, data)
		a.fail(err)
	}
}

// fail keeps the first error.
func (a *archive) fail(err error) {
	if a.err == nil {
		a.err = err
	}
}

// close ends the archive and returns the first error of all that was done.
func (a *archive) close() error {
	a.fail(a.to.Close())
	a.fail(a.buf.Flush())
	return a.err
}
