package wasmplugins

import (
	"errors"
	"io/fs"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
)

// A plugin cannot be told by WASI that a disk is full, but who uses it can.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		if !errors.Is(err, fs.ErrPermission) {
			t.Fatal(err)
		}
		t.Skip("to fill a disk takes a small one, and so the right to mount one")
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	p, err := Load(t.Context(), Options{Path: "guests/dir/dir.wasm", Dirs: []Dir{{Path: dir}}, Params: url.Values{"path": {dir + "/lock"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	r, err := p.Register(t.Context(), dir+"/app.db")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	version, err := r.CompareAndSwap(t.Context(), "", []byte("value"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/filler", make([]byte, 128<<10), 0o666); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk was not filled: %v", err)
	}
	_, err = r.CompareAndSwap(t.Context(), version, make([]byte, 16<<10))
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "no space left on device") {
		t.Errorf("error %v, want ENOSPC", err)
	}
	if err := os.Remove(dir + "/filler"); err != nil {
		t.Fatal(err)
	}
	if _, now, err := r.Read(t.Context()); now != version || err != nil {
		t.Errorf("the version is %q, %v, want %q", now, err, version)
	}
	if _, err := r.CompareAndSwap(t.Context(), version, nil); err != nil {
		t.Error(err)
	}
}
