package pagecache

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Drop says that nothing is left only if that is so.
func TestDropTellsWhatIsLeft(t *testing.T) {
	content := []byte(strings.Repeat("x", 64<<10))
	dirs := []string{t.TempDir()}
	if memory, err := os.MkdirTemp("/dev/shm", "pagecache"); err == nil {
		t.Cleanup(func() { os.RemoveAll(memory) })
		dirs = append(dirs, memory) // where the page cache is all there is
	}
	for _, dir := range dirs {
		f, err := os.Create(filepath.Join(dir, "file"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.Write(content); err != nil {
			t.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
		gone := Drop(f)
		left, err := pages(f)
		if errors.Is(err, syscall.ENOSYS) {
			left = 1 // an older kernel, where anything may be left
		}
		if gone != (left == 0) {
			t.Errorf("%s: gone %v, but %d pages are left", dir, gone, left)
		}
		if _, err := f.ReadAt(content, 0); err != nil {
			t.Fatal(err)
		}
	}
	if Drop("not a file") {
		t.Error("nothing is left of what is not a file")
	}
}

func pages(f *os.File) (uint64, error) {
	var all unix.CachestatRange
	var left unix.Cachestat_t
	err := unix.Cachestat(uint(f.Fd()), &all, &left, 0)
	return left.Cache, err
}
