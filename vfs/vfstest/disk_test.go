package vfstest_test

import (
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/holdfastdb/holdfast/vfs/vfstest"
	"github.com/spf13/afero"
)

func rng(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 7)) }

// write writes to a file at an offset, and syncs it if asked.
func write(t *testing.T, files afero.Fs, name, content string, off int64, sync bool) {
	t.Helper()
	f, err := files.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte(content), off); err != nil {
		t.Fatal(err)
	}
	if sync {
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
	}
}

func syncDir(t *testing.T, files afero.Fs, dir string) {
	t.Helper()
	d, err := files.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		t.Fatal(err)
	}
}

// content reads a file, or returns "(none)".
func content(t *testing.T, files afero.Fs, name string) string {
	t.Helper()
	b, err := afero.ReadFile(files, name)
	if errors.Is(err, os.ErrNotExist) {
		return "(none)"
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// after returns what a file can be after a power cut, with how often.
func after(t *testing.T, disk *vfstest.Disk, name string) map[string]int {
	t.Helper()
	found := make(map[string]int)
	for seed := range uint64(300) {
		found[content(t, disk.PowerCut(rng(seed)), name)]++
	}
	return found
}

// keys checks which outcomes there are, each with some weight.
func wantOutcomes(t *testing.T, got map[string]int, want ...string) {
	t.Helper()
	counts := make(map[string]bool)
	for outcome, n := range got {
		counts[outcome] = n >= 5
	}
	wanted := make(map[string]bool)
	for _, w := range want {
		wanted[w] = true
	}
	if diff := cmp.Diff(wanted, counts); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
}

func TestPowerCut(t *testing.T) {
	t.Run("what was synced stays", func(t *testing.T) {
		disk := vfstest.NewDisk()
		write(t, disk, "/f", "old", 0, true)
		syncDir(t, disk, "/")
		wantOutcomes(t, after(t, disk, "/f"), "old")
	})
	t.Run("a write may be lost", func(t *testing.T) {
		disk := vfstest.NewDisk()
		write(t, disk, "/f", "old", 0, true)
		syncDir(t, disk, "/")
		write(t, disk, "/f", "new", 0, false)
		wantOutcomes(t, after(t, disk, "/f"), "old", "new")
	})
	t.Run("writes reach the medium in no order", func(t *testing.T) {
		disk := vfstest.NewDisk()
		write(t, disk, "/f", "..", 0, true)
		syncDir(t, disk, "/")
		write(t, disk, "/f", "1", 0, false)
		write(t, disk, "/f", "2", 1, false)
		wantOutcomes(t, after(t, disk, "/f"), "..", "1.", ".2", "12")
	})
	t.Run("a name is lost if its directory is not synced", func(t *testing.T) {
		disk := vfstest.NewDisk()
		write(t, disk, "/f", "old", 0, true)
		wantOutcomes(t, after(t, disk, "/f"), "old", "(none)")
	})
	t.Run("a removal may be undone", func(t *testing.T) {
		disk := vfstest.NewDisk()
		write(t, disk, "/f", "old", 0, true)
		syncDir(t, disk, "/")
		if err := disk.Remove("/f"); err != nil {
			t.Fatal(err)
		}
		wantOutcomes(t, after(t, disk, "/f"), "old", "(none)")
		syncDir(t, disk, "/")
		wantOutcomes(t, after(t, disk, "/f"), "(none)")
	})
	t.Run("names change in order", func(t *testing.T) {
		disk := vfstest.NewDisk()
		write(t, disk, "/a", "", 0, true)
		write(t, disk, "/b", "", 0, true)
		for seed := range uint64(100) {
			cut := disk.PowerCut(rng(seed))
			if content(t, cut, "/a") == "(none)" && content(t, cut, "/b") != "(none)" {
				t.Fatal("the second file is there without the first")
			}
		}
	})
	t.Run("a truncation may be undone", func(t *testing.T) {
		disk := vfstest.NewDisk()
		write(t, disk, "/f", "old", 0, true)
		syncDir(t, disk, "/")
		f, _ := disk.OpenFile("/f", os.O_RDWR, 0)
		if err := f.Truncate(1); err != nil {
			t.Fatal(err)
		}
		wantOutcomes(t, after(t, disk, "/f"), "old", "o")
	})
	t.Run("a rename keeps one of the two", func(t *testing.T) {
		disk := vfstest.NewDisk()
		write(t, disk, "/f", "old", 0, true)
		write(t, disk, "/g", "new", 0, true)
		syncDir(t, disk, "/")
		if err := disk.Rename("/g", "/f"); err != nil {
			t.Fatal(err)
		}
		wantOutcomes(t, after(t, disk, "/f"), "old", "new")
	})
}

// A torn write changes whole sectors.
func TestTornWrite(t *testing.T) {
	const sector, sectors = 512, 8
	disk := vfstest.NewDisk()
	zeros, ones := make([]byte, sector*sectors), make([]byte, sector*sectors)
	for i := range ones {
		ones[i] = 1
	}
	write(t, disk, "/f", string(zeros), 0, true)
	syncDir(t, disk, "/")
	write(t, disk, "/f", string(ones), 0, false)
	torn := 0
	for got := range after(t, disk, "/f") {
		written := 0
		for s := range sectors {
			part := got[s*sector : (s+1)*sector]
			if part != string(zeros[:sector]) && part != string(ones[:sector]) {
				t.Fatal("a sector was written by half")
			}
			written += int(part[0])
		}
		if written > 0 && written < sectors {
			torn++
		}
	}
	if torn < 10 {
		t.Errorf("only %d kinds of torn writes", torn)
	}
}

func TestKillKeepsAllButMakesNothingDurable(t *testing.T) {
	disk := vfstest.NewDisk()
	write(t, disk, "/f", "new", 0, false)
	next := disk.Kill()
	if got := content(t, next, "/f"); got != "new" {
		t.Errorf("the next process reads %q", got)
	}
	wantOutcomes(t, after(t, next, "/f"), "new", "(none)", "")
	write(t, next, "/f", "other", 0, false)
	if got := content(t, disk, "/f"); got != "new" {
		t.Errorf("the disk it came from reads %q", got)
	}
}

func TestFaulty(t *testing.T) {
	var ops []string
	files := vfstest.Faulty(vfstest.NewDisk(), func(op vfstest.Op) error {
		ops = append(ops, op.String())
		switch op.N {
		case 3:
			return vfstest.Short{Bytes: 2, Err: syscall.ENOSPC}
		case 4:
			return syscall.EIO
		}
		return nil
	})
	f, err := files.OpenFile("/f", os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("1234"), 0); err != nil {
		t.Error(err)
	}
	if n, err := f.WriteAt([]byte("5678"), 4); n != 2 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a write on a full disk: %d, %v", n, err)
	}
	if err := f.Sync(); !errors.Is(err, syscall.EIO) {
		t.Errorf("sync: %v", err)
	}
	got := make([]byte, 10)
	if n, err := f.ReadAt(got, 0); string(got[:n]) != "123456" || err != io.EOF {
		t.Errorf("read %q, %v", got[:n], err)
	}
	want := []string{
		"create of /f, operation 1", "write of /f, operation 2", "write of /f, operation 3",
		"sync of /f, operation 4", "read of /f, operation 5",
	}
	if diff := cmp.Diff(want, ops); diff != "" {
		t.Errorf("operations (-want +got):\n%s", diff)
	}
}
