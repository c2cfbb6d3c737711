package vfstest_test

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfastdb/holdfast/backends/flock"
	"github.com/holdfastdb/holdfast/backends/memory"
	"github.com/holdfastdb/holdfast/locking"
	"github.com/holdfastdb/holdfast/vfs"
	"github.com/holdfastdb/holdfast/vfs/vfstest"
	"github.com/ncruces/go-sqlite3"
	sqlitevfs "github.com/ncruces/go-sqlite3/vfs"
)

var registered atomic.Int64

// subject makes a Subject of one VFS for each process.
func subject(t testing.TB, processes ...sqlitevfs.VFS) vfstest.Subject {
	t.Helper()
	dir := filepath.ToSlash(t.TempDir())
	var names []string
	for _, v := range processes {
		name := fmt.Sprintf("checked-%d", registered.Add(1))
		sqlitevfs.Register(name, v)
		t.Cleanup(func() { sqlitevfs.Unregister(name) })
		names = append(names, name)
	}
	uri := func(process int, file string) string {
		return "file:" + dir + "/" + file + "?vfs=" + names[process%len(names)]
	}
	return vfstest.Subject{
		Open: func(process int, file string) (*sqlite3.Conn, error) { return sqlite3.Open(uri(process, file)) },
		URI:  func(file string) string { return uri(0, file) },
	}
}

// The VFS that comes with go-sqlite3 keeps the promises: they are SQLite's, not ours.
func TestStockVFS(t *testing.T) {
	vfstest.Run(t, func(t testing.TB) vfstest.Subject { return subject(t, sqlitevfs.Find("os")) })
}

func TestFlock(t *testing.T) {
	open := func(_ context.Context, path string, _ url.Values, _ locking.Storage) (locking.Locker, error) {
		return flock.New(path)
	}
	vfstest.Run(t, func(t testing.TB) vfstest.Subject { return subject(t, vfs.New(nil, open), vfs.New(nil, open)) })
}

// Two processes in one test share a register in memory.
func TestLease(t *testing.T) {
	for _, fenced := range []bool{false, true} {
		t.Run(map[bool]string{false: "lease", true: "fenced"}[fenced], func(t *testing.T) {
			vfstest.Run(t, func(t testing.TB) vfstest.Subject {
				registers := make(map[string]*memory.Register)
				open := func(_ context.Context, path string, _ url.Values, storage locking.Storage) (locking.Locker, error) {
					if registers[path] == nil {
						registers[path] = memory.New()
					}
					opts := locking.Options{TTL: 4 * time.Second, Poll: 40 * time.Millisecond}
					if fenced {
						opts.Storage = storage
					}
					return locking.NewCoordinator(registers[path], opts)
				}
				s := subject(t, vfs.New(nil, open), vfs.New(nil, open))
				s.Single = fenced
				return s
			})
		})
	}
}

// A broken VFS is go-sqlite3's own with a fault. Each fault is found by the check
// that is named for it.
type broken struct {
	sqlitevfs.VFSFilename
	fault string
}

type brokenFile struct {
	sqlitevfs.File
	*broken
	main bool
}

func (b *broken) OpenFilename(name *sqlitevfs.Filename, flags sqlitevfs.OpenFlag) (sqlitevfs.File, sqlitevfs.OpenFlag, error) {
	file, flags, err := b.VFSFilename.OpenFilename(name, flags)
	if err == nil {
		file = &brokenFile{file, b, flags&sqlitevfs.OPEN_MAIN_DB != 0}
	}
	return file, flags, err
}

func (b *broken) Delete(name string, sync bool) error {
	if b.fault == "journals are not removed" {
		return nil
	}
	return b.VFSFilename.Delete(name, sync)
}

func (b *broken) Access(name string, flags sqlitevfs.AccessFlag) (bool, error) {
	if b.fault == "journals are not found" && filepath.Ext(name) == ".db-journal" {
		return false, nil
	}
	return b.VFSFilename.Access(name, flags)
}

func (f *brokenFile) Lock(level sqlitevfs.LockLevel) error {
	if f.fault == "nothing is locked" || f.fault == "RESERVED is not locked" && level == sqlitevfs.LOCK_RESERVED {
		return nil
	}
	return f.File.Lock(level)
}

func (f *brokenFile) Unlock(level sqlitevfs.LockLevel) error {
	if f.fault == "readers stay" && f.main {
		level = sqlitevfs.LOCK_SHARED
	}
	return f.File.Unlock(level)
}

func (f *brokenFile) WriteAt(p []byte, off int64) (int, error) {
	if f.fault == "the last page is not written" && f.main && off >= 8192 {
		return len(p), nil
	}
	return f.File.WriteAt(p, off)
}

func (f *brokenFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(p, off)
	if f.fault == "the counter is not read" && off == 24 && len(p) == 16 {
		clear(p)
	}
	return n, err
}

func TestChecksFindPlantedFaults(t *testing.T) {
	for fault, check := range map[string]string{
		"nothing is locked":            "a writer waits for readers",
		"RESERVED is not locked":       "writers take turns",
		"readers stay":                 "commits are seen",
		"the last page is not written": "vacuum and copies keep everything",
		"journals are not removed":     "what is rolled back is gone",
		"journals are not found":       "a dead writer's journal is played back",
	} {
		t.Run(fault, func(t *testing.T) {
			for _, c := range vfstest.Checks {
				if c.Name != check {
					continue
				}
				synctest.Test(t, func(t *testing.T) { // some of them have it wait
					s := subject(t, &broken{sqlitevfs.Find("os").(sqlitevfs.VFSFilename), fault})
					err := c.Run(t.Context(), s)
					if err == nil {
						t.Errorf("%q found nothing", check)
					}
					t.Log(err)
				})
				return
			}
			t.Errorf("there is no check %q", check)
		})
	}
}
