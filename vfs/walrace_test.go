package vfs

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfastdb/holdfast/locking"
	"github.com/spf13/afero"
)

// writingFs lets something happen right before something is written to a WAL.
type writingFs struct {
	afero.Fs
	before *func()
}

func (f writingFs) OpenFile(name string, flag int, perm fs.FileMode) (afero.File, error) {
	file, err := f.Fs.OpenFile(name, flag, perm)
	if err != nil || !strings.HasSuffix(name, "-wal") {
		return file, err
	}
	return writingFile{file, f.before}, nil
}

type writingFile struct {
	afero.File
	before *func()
}

func (f writingFile) WriteAt(p []byte, off int64) (int, error) {
	if before := *f.before; before != nil {
		before()
	}
	return f.File.WriteAt(p, off)
}

// Another connection makes a checkpoint, which syncs the WAL and verifies the lease,
// right before the last write of a commit. That does not vouch for the commit.
func TestCommitBesideACheckpoint(t *testing.T) {
	for _, synchronous := range []string{"full", "normal"} {
		t.Run(synchronous, func(t *testing.T) {
			p := fencedProcess()
			var before func()
			name := register(t, writingFs{afero.NewOsFs(), &before}, p.open)
			path := filepath.Join(scratch(t), "app.db")
			one, two := connect(t, name, path, ""), connect(t, name, path, "")
			run(t, one, "PRAGMA journal_mode=wal; PRAGMA synchronous="+synchronous+"; PRAGMA wal_autocheckpoint=0; CREATE TABLE t(x); INSERT INTO t VALUES (0)")
			run(t, two, "PRAGMA wal_autocheckpoint=0; SELECT * FROM t")
			writes := 0
			before = func() { writes++ }
			run(t, one, "INSERT INTO t VALUES (1)")
			last := writes
			writes = 0
			before = func() {
				if writes++; writes == last {
					run(t, two, "PRAGMA wal_checkpoint(PASSIVE)")
					p.onVerify = func() error { return locking.ErrLost }
				}
			}
			if err := one.Exec("INSERT INTO t VALUES (2)"); !errors.Is(err, CodeLost) {
				t.Errorf("a commit after the lease was lost: %v", err)
			}
			if writes < last {
				t.Error("nothing happened before the last write")
			}
		})
	}
}
