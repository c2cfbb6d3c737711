package vfs

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/holdfastdb/holdfast/backends/flock"
	"github.com/holdfastdb/holdfast/locking"
)

func kernelLocks(_ context.Context, path string, _ url.Values, _ locking.Storage) (locking.Locker, error) {
	return flock.New(path)
}

// A journal that another process left is found from the directory that was open
// all the time.
func TestHotJournalIsFoundFromTheOpenDirectory(t *testing.T) {
	dir := scratch(t)
	path, other := filepath.Join(dir, "app.db"), filepath.Join(scratch(t), "app.db")
	name := register(t, nil, kernelLocks)
	conn := connect(t, name, path, "")
	run(t, conn, "PRAGMA cache_size=5; CREATE TABLE t(x); INSERT INTO t SELECT 1 FROM (WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i+1 FROM n WHERE i < 5000) SELECT i FROM n)")
	copyFile(t, path, other)

	torn := connect(t, name, other, "")
	run(t, torn, "PRAGMA cache_size=5; BEGIN; UPDATE t SET x=2")
	copyFile(t, other, path)
	copyFile(t, other+"-journal", path+"-journal")

	want(t, conn, "SELECT count(*)||':'||sum(x) FROM t", "5000:5000")
	if _, err := os.Stat(path + "-journal"); err == nil {
		t.Error("the journal is still there")
	}
}

// copyFile copies the bytes, and leaves a file that is there the one it is.
func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, data, 0600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestDirectoryIsOpenWhileTheDatabaseIs(t *testing.T) {
	dir := scratch(t)
	name := register(t, nil, kernelLocks)
	for range 2 {
		one := connect(t, name, filepath.Join(dir, "app.db"), "")
		two := connect(t, name, filepath.Join(dir, "app.db"), "")
		one.Close()
		if n := descriptors(t, dir); n != 1 {
			t.Errorf("%d descriptors on the directory while a connection is open, want 1", n)
		}
		two.Close()
		if n := descriptors(t, dir); n != 0 {
			t.Errorf("%d descriptors on the directory after the last connection left", n)
		}
	}
}

// descriptors returns how many descriptors of this process are open on a path.
func descriptors(t *testing.T, path string) (n int) {
	t.Helper()
	const own = "/proc/self/fd"
	all, err := os.ReadDir(own)
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range all {
		if target, _ := os.Readlink(filepath.Join(own, fd.Name())); target == path {
			n++
		}
	}
	return n
}
