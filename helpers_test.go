package holdfast

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/spf13/afero"

	"github.com/holdfastdb/holdfast/backends/memory"
	"github.com/holdfastdb/holdfast/locking"
)

// A cell is the register of the lock "cell": a lease in memory, so that a test
// can let time fly, and cut a process off from it.
type cell struct {
	*memory.Register
	cut    atomic.Bool
	mute   atomic.Bool            // it answers nothing, for as long as whoever asks waits
	before atomic.Pointer[func()] // called before each read
}

// onRead has f called before each read, until it returns true; then done does too.
func (c *cell) onRead(f func() bool) (done func() bool) {
	var mu sync.Mutex
	var over atomic.Bool
	before := func() {
		mu.Lock()
		defer mu.Unlock()
		if !over.Load() && f() {
			over.Store(true)
		}
	}
	c.before.Store(&before)
	return over.Load
}

var errCut = errors.New("the network is down")

func (c *cell) Read(ctx context.Context) ([]byte, locking.Version, error) {
	if c.cut.Load() {
		return nil, locking.Unused, errCut
	}
	if c.mute.Load() {
		<-ctx.Done()
		return nil, locking.Unused, context.Cause(ctx)
	}
	if before := c.before.Load(); before != nil {
		(*before)()
	}
	return c.Register.Read(ctx)
}

func (c *cell) CompareAndSwap(ctx context.Context, old locking.Version, value []byte) (locking.Version, error) {
	if c.cut.Load() {
		return locking.Unused, errCut
	}
	return c.Register.CompareAndSwap(ctx, old, value)
}

// cells are by the path of the database.
var cells sync.Map

func cellOf(path string) *cell {
	c, _ := cells.LoadOrStore(path, &cell{Register: memory.New()})
	return c.(*cell)
}

func init() {
	locking.RegisterBackend("cell", locking.LeaseBackend(
		func(ctx context.Context, u *url.URL, database string) (locking.Register, error) {
			return cellOf(database), nil
		}))
}

// open opens a pool that is closed at the end of the test.
func open(t testing.TB, name string, o Options) *sql.DB {
	t.Helper()
	db, err := Open(name, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close %s: %v", name, err)
		}
	})
	return db
}

// elsewhere opens a pool that shares nothing with other pools of the test but the
// files and the register, as if it belonged to another process.
func elsewhere(t testing.TB, name string, o Options) *sql.DB {
	t.Helper()
	o.FS = afero.NewOsFs()
	return open(t, name, o)
}

// scratch returns an empty directory, in memory where there is one: a disk may take long
// over the syncs of these tests.
func scratch(t testing.TB) string {
	t.Helper()
	if _, err := os.Stat("/dev/shm"); err != nil {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp("/dev/shm", "holdfast-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// lease returns a path for a database and the options to open it by a lease.
func lease(t testing.TB, params ...string) (string, Options) {
	t.Helper()
	o := Options{Lock: "cell", Params: url.Values{"poll": {"20ms"}}}
	for i := 0; i < len(params); i += 2 {
		o.Params.Add(params[i], params[i+1])
	}
	return filepath.Join(scratch(t), "app.db"), o
}

func exec(t testing.TB, db interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
}, statement string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func query[T any](t testing.TB, db interface {
	QueryRowContext(context.Context, string, ...any) *sql.Row
}, statement string, args ...any) (value T) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), statement, args...).Scan(&value); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return value
}
