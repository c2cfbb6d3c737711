package wasmplugins

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/holdfastdb/holdfast/locking"
	"github.com/holdfastdb/holdfast/vfs"
	"github.com/ncruces/go-sqlite3"
	sqlitevfs "github.com/ncruces/go-sqlite3/vfs"
)

// A plugin that breaks off anywhere, in the middle of a swap too, costs time and no commit:
// those that were acknowledged are there, and the database is whole.
func TestDatabaseOverPluginThatBreaksOff(t *testing.T) {
	t.Parallel()
	overUnsteady(t, "breaks off", 200*time.Millisecond)
}

// One that is late, by more than a lease lasts, makes whoever uses it lose the lease in
// mid-work, and no commit either.
func TestDatabaseOverPluginThatDawdles(t *testing.T) {
	t.Parallel()
	overUnsteady(t, "dawdles", time.Minute)
}

func overUnsteady(t *testing.T, how string, limit time.Duration) {
	server := newCellServer(t)
	file := built(t, "testdata/unsteady")
	path := filepath.Join(t.TempDir(), "app.db")
	const writers = 3
	var broke sync.Map // what went wrong, for people
	// A process connects, as often as it needs to: a connection that lost its lease has lost
	// it for good.
	process := func(n int) (connect func() *sqlite3.Conn) {
		name := fmt.Sprintf("%s-%d", how[:3], n)
		sqlitevfs.Register(name, vfs.New(nil, func(ctx context.Context, path string, _ url.Values, storage locking.Storage) (locking.Locker, error) {
			p, err := Load(ctx, Options{Path: file, Allow: []string{server.URL}, Limit: limit, Params: url.Values{"url": {server.URL}, "how": {how}}})
			if err != nil {
				return nil, err
			}
			r, err := p.Register(ctx, path)
			if err != nil {
				return nil, errors.Join(err, p.Close())
			}
			r.owned = p
			return locking.NewCoordinator(r, locking.Options{TTL: 2 * time.Second, Poll: 10 * time.Millisecond, Storage: storage})
		}))
		t.Cleanup(func() { sqlitevfs.Unregister(name) })
		return func() *sqlite3.Conn {
			for tries := 0; ; tries++ {
				conn, err := sqlite3.Open("file:" + path + "?vfs=" + name)
				if err == nil {
					conn.BusyTimeout(20 * time.Second)
					return conn
				}
				broke.Store(err.Error(), true)
				if tries > 100 {
					t.Error(err)
					return nil
				}
			}
		}
	}
	// until does something by itself, with one connection after the other.
	until := func(connect func() *sqlite3.Conn, do func(*sqlite3.Conn) error) {
		t.Helper()
		for tries := 0; ; tries++ {
			conn := connect()
			if conn == nil {
				t.FailNow()
			}
			err := do(conn)
			conn.Close()
			if err == nil {
				return
			}
			if tries > 100 {
				t.Fatal(err)
			}
		}
	}
	until(process(writers), func(conn *sqlite3.Conn) error { return conn.Exec("CREATE TABLE IF NOT EXISTS t(x PRIMARY KEY)") })

	var mu sync.Mutex
	var acknowledged []string
	var working sync.WaitGroup
	// For as long as it takes to tell something, on a machine that does much else.
	const enough = 20
	least, most := time.Now().Add(4*time.Second), time.Now().Add(time.Minute)
	goesOn := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return time.Now().Before(least) || len(acknowledged) < enough && time.Now().Before(most)
	}
	for n := range writers {
		working.Go(func() {
			connect := process(n)
			conn := connect()
			for i := 0; conn != nil && goesOn(); i++ {
				id := fmt.Sprintf("%d-%d", n, i)
				if err := conn.Exec("INSERT INTO t VALUES ('" + id + "')"); err != nil {
					broke.Store(err.Error(), true)
					conn.Close()
					conn = connect()
					continue
				}
				mu.Lock()
				acknowledged = append(acknowledged, id)
				mu.Unlock()
			}
			if conn != nil {
				conn.Close()
			}
		})
	}
	working.Wait()

	there := map[string]bool{}
	until(process(writers+1), func(conn *sqlite3.Conn) error {
		var problems []string
		err := errors.Join(
			column(conn, "SELECT x FROM t", func(x string) { there[x] = true }),
			column(conn, "PRAGMA integrity_check", func(line string) { problems = append(problems, line) }))
		if err == nil && !slices.Equal(problems, []string{"ok"}) {
			t.Error(problems)
		}
		return err
	})
	for _, id := range acknowledged {
		if !there[id] {
			t.Errorf("the commit of %s is lost", id)
		}
	}
	kinds := 0
	broke.Range(func(any, any) bool { kinds++; return true })
	if t.Logf("%d commits, %d rows, %d kinds of errors", len(acknowledged), len(there), kinds); len(acknowledged) < enough {
		t.Error("too few commits to tell anything")
	}
}

func column(conn *sqlite3.Conn, sql string, each func(string)) error {
	stmt, _, err := conn.Prepare(sql)
	if err != nil {
		return err
	}
	defer stmt.Close()
	for stmt.Step() {
		each(stmt.ColumnText(0))
	}
	return stmt.Err()
}
