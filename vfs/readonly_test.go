package vfs

import (
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/ncruces/go-sqlite3"
	"github.com/spf13/afero"
)

// A file that turns out under the lease to be one that may only be read is read.
func TestWritableOnlyAtFirstSight(t *testing.T) {
	path := filepath.Join(scratch(t), "app.db")
	a := newArbiter()
	first := connect(t, register(t, nil, a.process("p").open), path, "")
	run(t, first, "CREATE TABLE t(x)")
	first.Close()
	files := &guarded{Fs: afero.NewOsFs()}
	conn := connect(t, register(t, files, a.process("q").open), path, "")
	files.refuses.Store(true)
	want(t, conn, "SELECT count(*) FROM t", "0")
	err := conn.Exec("INSERT INTO t VALUES (1)")
	if !errors.Is(err, sqlite3.READONLY) || !errors.Is(Explain(conn, err), errReadOnly) {
		t.Errorf("writing: %v", err)
	}
	want(t, conn, "SELECT count(*) FROM t", "0")
}

// guarded refuses to open files for writing.
type guarded struct {
	afero.Fs
	refuses atomic.Bool
}

func (g *guarded) OpenFile(name string, flag int, perm os.FileMode) (afero.File, error) {
	if g.refuses.Load() && flag&os.O_RDWR != 0 {
		return nil, &os.PathError{Op: "open", Path: name, Err: os.ErrPermission}
	}
	return g.Fs.OpenFile(name, flag, perm)
}
