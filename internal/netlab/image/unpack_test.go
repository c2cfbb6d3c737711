//go:build linux

package image

import (
	"archive/tar"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A package is unpacked from what it holds.
func pack(t *testing.T, entries ...tar.Header) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range entries {
		data := []byte(h.Name)
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(data))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := w.Write(data); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

func emptyTree(t *testing.T) *tree {
	t.Helper()
	tr, err := newTree(filepath.Join(t.TempDir(), "tree"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.root.Close() })
	return tr
}

func TestUnpackMergesIntoUsr(t *testing.T) {
	tr := emptyTree(t)
	err := tr.extract(pack(t,
		tar.Header{Name: "./", Typeflag: tar.TypeDir, Mode: 0o755},
		tar.Header{Name: "./bin/", Typeflag: tar.TypeDir, Mode: 0o755}, // an older package: this must not take the link's place
		tar.Header{Name: "./bin/kmod", Typeflag: tar.TypeReg, Mode: 0o755},
		tar.Header{Name: "./sbin/depmod", Typeflag: tar.TypeSymlink, Linkname: "/bin/kmod"},
		tar.Header{Name: "./usr/sbin/other", Typeflag: tar.TypeSymlink, Linkname: "/usr/bin/kmod"},
		tar.Header{Name: "./sbin/third", Typeflag: tar.TypeSymlink, Linkname: "/usr/bin/kmod"},
		tar.Header{Name: "./usr/bin/same", Typeflag: tar.TypeLink, Linkname: "./bin/kmod"},
		tar.Header{Name: "./lib/x/secret", Typeflag: tar.TypeReg, Mode: 0o4000}, // unreadable for a package's user, not for us
		tar.Header{Name: "./usr/share/doc/kmod/README", Typeflag: tar.TypeReg, Mode: 0o644},
		tar.Header{Name: "./dev/null", Typeflag: tar.TypeChar, Mode: 0o666},
	))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, name := range []string{"usr/bin/kmod", "usr/sbin/depmod", "usr/sbin/other", "usr/sbin/third", "usr/bin/same", "usr/lib/x/secret"} {
		b, err := os.ReadFile(filepath.Join(tr.dir, name))
		if err != nil {
			t.Error(err)
		}
		got[name] = string(b)
	}
	want := map[string]string{
		"usr/bin/kmod": "./bin/kmod", "usr/sbin/depmod": "./bin/kmod", "usr/sbin/other": "./bin/kmod", "usr/sbin/third": "./bin/kmod", "usr/bin/same": "./bin/kmod",
		"usr/lib/x/secret": "./lib/x/secret",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	for _, name := range []string{"usr/share/doc", "dev/null"} {
		if _, err := os.Lstat(filepath.Join(tr.dir, name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s was unpacked: %v", name, err)
		}
	}
}

func TestUnpackStaysInTheTree(t *testing.T) {
	tests := []struct {
		name    string
		entries []tar.Header
	}{
		{"up", []tar.Header{{Name: "../outside", Typeflag: tar.TypeReg}}},
		{"through a link", []tar.Header{
			{Name: "etc/way", Typeflag: tar.TypeSymlink, Linkname: "../../.."},
			{Name: "etc/way/outside", Typeflag: tar.TypeReg},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tr := emptyTree(t)
			if err := tr.extract(pack(t, tt.entries...)); err == nil {
				t.Error("a package wrote outside of the tree")
			}
		})
	}
}

func TestFullDiskIsNamedAsSuch(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can mount a file system that is full")
	}
	dir := t.TempDir()
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Fatal(err)
	}
	defer syscall.Unmount(dir, 0)
	if err := checkSpace(dir); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("checkSpace: %v, want ENOSPC", err)
	}
	if err := checkSpace(os.TempDir()); err != nil {
		t.Errorf("checkSpace of a directory that has space: %v", err)
	}
}

func TestErrorsOfPrograms(t *testing.T) {
	tests := []struct {
		name, stderr, want string
		noSpace            bool
	}{
		{"last line", "W: so so\nE: bad", "apt-get: broke: E: bad", false},
		{"no space", "tar: write: No space left on device\nE: failed", "apt-get: broke: E: failed", true},
		{"silent", "", "apt-get: broke: ", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := error(&commandError{name: "apt-get", stderr: tt.stderr, err: errors.New("broke")})
			if err.Error() != tt.want || errors.Is(err, syscall.ENOSPC) != tt.noSpace {
				t.Errorf("%q, no space: %v; want %q, %v", err, errors.Is(err, syscall.ENOSPC), tt.want, tt.noSpace)
			}
		})
	}
}
