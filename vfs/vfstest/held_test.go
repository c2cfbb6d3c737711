package vfstest_test

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/holdfastdb/holdfast/vfs/vfstest"
	"github.com/spf13/afero"
)

// What is held takes effect when it is let go, in order, on the file that was open.
func TestHeldOperationsTakeEffectLate(t *testing.T) {
	disk, hold := vfstest.NewDisk(), vfstest.Pass
	h := vfstest.Holding(disk, func(vfstest.Op) vfstest.Hold { return hold })
	content := func(name string) string {
		all, err := afero.ReadFile(disk, name)
		if errors.Is(err, fs.ErrNotExist) {
			return "none"
		}
		return string(all)
	}
	f, err := h.Create("/a")
	if err != nil {
		t.Fatal(err)
	}
	f.WriteAt([]byte("old"), 0)

	hold = vfstest.Quiet
	page := []byte("new")
	if _, err := f.WriteAt(page, 0); err != nil {
		t.Error(err)
	}
	copy(page, "bad") // as SQLite may use its buffer again
	hold = vfstest.Fail
	if err := f.Truncate(2); !errors.Is(err, syscall.EIO) {
		t.Errorf("truncate: %v", err)
	}
	if _, err := h.Create("/never"); !errors.Is(err, syscall.EIO) {
		t.Errorf("create: %v", err)
	}
	hold = vfstest.Wait
	removed := make(chan error)
	go func() { removed <- h.Remove("/b") }()
	if err := h.Await(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if err := disk.Rename("/a", "/c"); err != nil {
		t.Fatal(err)
	}
	afero.WriteFile(disk, "/b", []byte("another"), 0o666)
	if got := content("/c") + content("/b"); got != "oldanother" {
		t.Errorf("before: %q", got)
	}
	want := []vfstest.Op{{N: 3, Kind: "write", Name: "/a", Size: 3}, {N: 4, Kind: "truncate", Name: "/a"}, {N: 6, Kind: "remove", Name: "/b"}}
	if diff := cmp.Diff(want, h.Release()); diff != "" {
		t.Errorf("released (-want +got):\n%s", diff)
	}
	if err := <-removed; err != nil {
		t.Error(err)
	}
	if got := content("/c") + content("/b") + content("/never"); got != "nenonenone" {
		t.Errorf("afterwards: %q", got)
	}
	hold = vfstest.Pass
	if _, err := f.WriteAt(nil, 0); !errors.Is(err, os.ErrClosed) && !errors.Is(err, afero.ErrFileClosed) {
		t.Errorf("the file stayed open: %v", err)
	}
}

// A sync waits for what is held on its file.
func TestHeldSyncWaits(t *testing.T) {
	hold := vfstest.Quiet
	h := vfstest.Holding(vfstest.NewDisk(), func(op vfstest.Op) vfstest.Hold {
		if op.Kind == "write" {
			return hold
		}
		return vfstest.Pass
	})
	f, err := h.Create("/a")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	f.WriteAt([]byte("x"), 0)
	synced := make(chan error)
	go func() { synced <- f.Sync() }()
	select {
	case <-synced:
		t.Fatal("it did not wait")
	default:
	}
	h.Release()
	if err := <-synced; err != nil {
		t.Error(err)
	}
}
