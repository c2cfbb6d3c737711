package vfs

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/afero"
)

// An SMB client that remembers a journal which another host removed opens it
// without creating it, until it is asked to remove it. Seen on Linux 6.1 with two
// clients that wrote in turn.
type remembering struct {
	afero.Fs
	ghosts map[string]bool
	denied int
}

func (r *remembering) OpenFile(name string, flag int, perm os.FileMode) (afero.File, error) {
	if r.ghosts[name] {
		r.denied++
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return r.Fs.OpenFile(name, flag, perm)
}

func (r *remembering) Remove(name string) error {
	delete(r.ghosts, name)
	return r.Fs.Remove(name)
}

func TestJournalThatOnlyTheClientRemembersIsCreated(t *testing.T) {
	for _, mode := range []string{"delete", "truncate", "persist", "wal"} {
		t.Run(mode, func(t *testing.T) {
			files := &remembering{Fs: afero.NewOsFs(), ghosts: make(map[string]bool)}
			path := filepath.Join(scratch(t), "app.db")
			conn := connect(t, register(t, files, newArbiter().process("a").open), path, "")
			run(t, conn, "PRAGMA journal_mode="+mode)
			suffix := "-journal"
			if mode == "wal" {
				suffix = "-wal"
			}
			files.ghosts[path+suffix] = true
			run(t, conn, "CREATE TABLE t(a); INSERT INTO t VALUES (1)")
			want(t, conn, "SELECT a FROM t", "1")
			if files.denied == 0 {
				t.Errorf("nobody asked for %s", strings.TrimPrefix(suffix, "-"))
			}
		})
	}
}
