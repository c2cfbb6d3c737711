package vfs

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/holdfastdb/holdfast/locking"
	"github.com/spf13/afero"
)

// To open a database asks the files of no other, whose server may not answer.
func TestOpeningAsksNoOtherDatabase(t *testing.T) {
	dir := scratch(t)
	files := &countingFs{Fs: afero.NewOsFs(), name: filepath.Join(dir, "a.db")}
	name := register(t, files, perFile(locking.GradeLease))
	run(t, connect(t, name, files.name, ""), "CREATE TABLE t(x)")
	opens, stats := files.opens.Load(), files.sizes.Load()
	run(t, connect(t, name, filepath.Join(dir, "b.db"), ""), "CREATE TABLE t(x)")
	if files.opens.Load() != opens || files.sizes.Load() != stats {
		t.Errorf("it was asked %d times", files.opens.Load()-opens+files.sizes.Load()-stats)
	}
}

// A file that is gone gives its identity to another one, while it is still taken for a
// database here.
func TestIdentityThatIsUsedAgain(t *testing.T) {
	dir := scratch(t)
	name := register(t, nil, perFile(locking.GradeLease))
	first := FileOf(connect(t, name, filepath.Join(dir, "a.db"), ""), "main")
	path := filepath.Join(dir, "b.db")
	if err := os.WriteFile(path, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	first.body().info.Store(&info)
	run(t, connect(t, name, path, ""), "CREATE TABLE t(x)")
}
