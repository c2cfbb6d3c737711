package vfs

import (
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/spf13/afero"
)

// A process that has stepped down keeps no file open: if its machine vanishes, nobody
// has to wait until the server gives up what it had. It opens the database again when it
// comes in, and for a connection that is just opened.
func TestWhoSteppedDownKeepsNothingOpen(t *testing.T) {
	for _, mode := range []string{"delete", "truncate", "persist"} {
		t.Run(mode, func(t *testing.T) {
			regs := registers{}
			path := filepath.Join(scratch(t), "app.db")
			files := newCounted(afero.NewOsFs())
			first := register(t, files, regs.fenced)
			one := connect(t, first, path, "")
			other := connect(t, register(t, nil, regs.fenced), path, "")
			const patient = "PRAGMA busy_timeout=10000;"
			run(t, other, patient)
			run(t, one, patient+"PRAGMA journal_mode="+mode+"; CREATE TABLE t(x); INSERT INTO t VALUES (1)")
			if n, _ := files.open(); n == 0 {
				t.Fatal("nothing is open while it may come in again")
			}
			for n := range 3 {
				run(t, other, "INSERT INTO t VALUES (2)")
				files.awaitNone(t)
				if _, err := FileOf(one, "main").ReadAt(make([]byte, 100), 0); err != nil {
					t.Errorf("the header, which SQLite reads without a lock: %v", err)
				}
				two := connect(t, first, path, "")
				run(t, two, patient)
				want(t, two, "SELECT count(*) FROM t", strconv.Itoa(3*n+2))
				run(t, two, "INSERT INTO t VALUES (3)")
				two.Close()
				run(t, one, "INSERT INTO t VALUES (4)")
			}
			want(t, other, "SELECT count(*) FROM t", "10")
		})
	}
}

// counted counts the files that are open.
type counted struct {
	afero.Fs
	mu   sync.Mutex
	n    int           // guarded by mu
	none chan struct{} // guarded by mu; closed while n is 0
}

func newCounted(fs afero.Fs) *counted {
	c := &counted{Fs: fs, none: make(chan struct{})}
	close(c.none)
	return c
}

func (c *counted) add(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == 0 {
		c.none = make(chan struct{})
	}
	if c.n += n; c.n == 0 {
		close(c.none)
	}
}

func (c *counted) open() (n int, none <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n, c.none
}

func (c *counted) awaitNone(t *testing.T) {
	t.Helper()
	n, none := c.open()
	select {
	case <-none:
	case <-time.After(10 * time.Second):
		t.Fatalf("%d files stay open", n)
	}
}

func (c *counted) OpenFile(name string, flag int, perm os.FileMode) (afero.File, error) {
	f, err := c.Fs.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	c.add(1)
	return &countedFile{File: f, of: c}, nil
}

type countedFile struct {
	afero.File
	of   *counted
	once sync.Once
}

func (f *countedFile) Close() error {
	f.once.Do(func() { f.of.add(-1) })
	return f.File.Close()
}
