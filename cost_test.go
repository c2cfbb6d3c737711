package holdfast

import (
	"context"
	"maps"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfastdb/holdfast/backends/memory"
	"github.com/holdfastdb/holdfast/locking"
)

// A metered register counts its operations. It cannot be watched, as a lease file
// cannot be.
type metered struct {
	cell *memory.Register
	ops  atomic.Int64
}

func (m *metered) Read(ctx context.Context) ([]byte, locking.Version, error) {
	m.ops.Add(1)
	return m.cell.Read(ctx)
}

func (m *metered) CompareAndSwap(ctx context.Context, old locking.Version, value []byte) (locking.Version, error) {
	m.ops.Add(1)
	return m.cell.CompareAndSwap(ctx, old, value)
}

// meters are by the path of the database.
var meters sync.Map

func init() {
	locking.RegisterBackend("metered", locking.LeaseBackend(
		func(_ context.Context, _ *url.URL, database string) (locking.Register, error) {
			m, _ := meters.LoadOrStore(database, &metered{cell: memory.New()})
			return m.(*metered), nil
		}))
}

// A process that holds the lease asks the register for nothing when it reads, twice in a
// commit, or once in WAL mode, and for nothing at all once it has been idle. Time stands still in a bubble while
// anybody works, so what is counted is not what happens to be due meanwhile.
func TestRegisterOperations(t *testing.T) {
	for _, test := range []struct {
		name, journal string
		params        url.Values
		want          int64 // operations of 50 commits and 50 reads; -1: more than they are
	}{
		{"fenced", "delete", nil, 100},
		{"fenced, TRUNCATE", "truncate", nil, 100},
		{"fenced, WAL", "wal", nil, 50},
		{"fenced, reads too", "delete", url.Values{"verify": {"read"}}, 150},
		{"no fence", "delete", url.Values{"fence": {"off"}}, 0},
		{"no fence, WAL", "wal", url.Values{"fence": {"off"}}, 0},
		{"not sticky", "delete", url.Values{"sticky": {"off"}}, -1},
	} {
		path := filepath.Join(t.TempDir(), "app.db")
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := Options{Lock: "metered", Params: url.Values{"_pragma": {"journal_mode(" + test.journal + ")"}}}
				maps.Copy(o.Params, test.params)
				db := open(t, path, o)
				db.SetMaxOpenConns(1)
				exec(t, db, `CREATE TABLE t (x)`)
				m, _ := meters.Load(path)
				count := &m.(*metered).ops

				synctest.Wait()
				before := count.Load()
				for range 50 {
					exec(t, db, `INSERT INTO t VALUES (1)`)
					query[int](t, db, `SELECT count(*) FROM t`)
				}
				if n := count.Load() - before; n != test.want && (test.want >= 0 || n <= 100) {
					t.Errorf("%d operations in 50 commits and 50 reads, want %d", n, test.want)
				}

				time.Sleep(30 * time.Second) // twice the idle time
				if test.journal == "wal" {
					return // it is held for as long as it is open
				}
				before = count.Load()
				time.Sleep(24 * time.Hour)
				if n := count.Load() - before; n != 0 {
					t.Errorf("%d operations in a day of doing nothing", n)
				}
				exec(t, db, `INSERT INTO t VALUES (1)`)
			})
		})
	}
}
