package undelegated

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// onto has the directory of a test taken for one on NFS.
func onto(t *testing.T) string {
	dir := t.TempDir()
	directories.Store(dir, true)
	return dir
}

// remembered returns whether a directory is still taken for one on NFS.
func remembered(dir string) bool {
	known, _ := directories.Load(dir)
	return known == true
}

// A file that was opened so is read and written like any other: through the cache, in
// pieces of any size.
func TestBuffered(t *testing.T) {
	dir := onto(t)
	name := filepath.Join(dir, "f")
	f, err := OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	t.Logf("direct I/O on the file system of the tests: %v", remembered(dir))
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
	if err != nil || flags&unix.O_DIRECT != 0 || flags&unix.O_ACCMODE != unix.O_RDWR {
		t.Errorf("flags are %#x, %v", flags, err)
	}
	if _, err := f.WriteAt([]byte("abc"), 5); err != nil {
		t.Error(err)
	}
	b := make([]byte, 2)
	if _, err := f.ReadAt(b, 6); err != nil || string(b) != "bc" {
		t.Errorf("read %q, %v", b, err)
	}
	if _, err := OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o640); !errors.Is(err, fs.ErrExist) {
		t.Errorf("creating it again: %v", err)
	}
	if _, err := OpenFile(name+"2", os.O_RDWR, 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("opening a missing one: %v", err)
	}
}

// Direct I/O is asked for on NFS alone, and where it is refused the file is opened
// without.
func TestRefused(t *testing.T) {
	for _, onNFS := range []bool{false, true} {
		dir := t.TempDir()
		directories.Store(dir, onNFS)
		name := filepath.Join(dir, "d") // no kernel opens a directory for it
		if err := os.Mkdir(name, 0o777); err != nil {
			t.Fatal(err)
		}
		f, err := OpenFile(name, os.O_RDONLY, 0)
		if err != nil {
			t.Fatalf("on NFS %v: %v", onNFS, err)
		}
		f.Close()
		if remembered(dir) {
			t.Error("direct I/O was refused, and would be asked for again")
		}
	}
}

// A local directory is asked about once.
func TestLocal(t *testing.T) {
	dir := t.TempDir()
	f, err := OpenFile(filepath.Join(dir, "f"), os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if known, ok := directories.Load(dir); !ok || known.(bool) {
		t.Errorf("known is %v, %v", known, ok)
	}
	if _, err := OpenFile(filepath.Join(dir, "no", "f"), os.O_RDONLY, 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in a missing directory: %v", err)
	}
}
