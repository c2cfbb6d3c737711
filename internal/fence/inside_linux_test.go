package fence

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// Where the file system copies by itself, no byte goes through this process.
func TestCopyInside(t *testing.T) {
	dir := host(t.TempDir())
	want := bytes.Repeat([]byte("0123456789abcdef"), 10_000)
	if err := os.WriteFile(filepath.Join(string(dir), "app.db"), want, 0o600); err != nil {
		t.Fatal(err)
	}
	c := newCopier(dir, "app.db", "copy", nil)
	src, info, err := c.open("app.db")
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	dst, err := c.create("copy", info)
	if err != nil {
		t.Fatal(err)
	}
	defer dst.Close()
	n, err := copyFileRange(dst, src, 0, int64(len(want)))
	if err != nil {
		t.Fatalf("copy_file_range on the file system of the tests: %v", err)
	}
	if n, err = c.copyInside(t.Context(), dst, src, n, untilEnd); err != nil || n != int64(len(want)) {
		t.Errorf("copied up to %d, %v, want %d", n, err, len(want))
	}
	if _, err := copyFileRange(dst, struct{ File }{src}, 0, 1); err == nil {
		t.Error("a file without a descriptor was copied inside the file system")
	}
	got, err := os.ReadFile(filepath.Join(string(dir), "copy"))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("the copy differs: %v", err)
	}
}
