package holdfast

import (
	"database/sql"
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"
)

// wal returns the path of a database in WAL mode, and options to open it.
func wal(t *testing.T) (string, Options) {
	path, o := lease(t, "_pragma", "busy_timeout(20000)")
	db := elsewhere(t, path, o)
	exec(t, db, `PRAGMA journal_mode=wal; CREATE TABLE t (x)`)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return path, o
}

func TestIdleWALProcessYields(t *testing.T) {
	t.Parallel()
	path, o := wal(t)
	idle, other := elsewhere(t, path, o), elsewhere(t, path, o)
	idle.SetMaxIdleConns(3)
	s, err := idle.Prepare(`INSERT INTO t VALUES (?)`)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	several(t, 3, func() error {
		_, err := s.Exec(1)
		return err
	})
	// Each has a connection that holds SHARED, and so the whole database.
	start := time.Now()
	exec(t, other, `INSERT INTO t VALUES (2)`)
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("the other process waited %v", took)
	}
	// The prepared statement goes on, on another connection, and asks in its turn.
	if _, err := s.Exec(3); err != nil {
		t.Error(err)
	}
	if n := query[int](t, other, `SELECT count(*) FROM t`); n != 5 {
		t.Errorf("%d rows, want 5", n)
	}
}

// A program that has only looked whether it can open the database is in nobody's way.
func TestPingedWALProcessYields(t *testing.T) {
	t.Parallel()
	path, o := wal(t)
	o.Params["_pragma"] = append(o.Params["_pragma"], "journal_mode(wal)") // reads the file, and keeps SHARED
	idle, other := elsewhere(t, path, o), elsewhere(t, path, o)
	if err := idle.PingContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	exec(t, other, `INSERT INTO t VALUES (1)`)
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("the other process waited %v", took)
	}
	if n := query[int](t, idle, `SELECT count(*) FROM t`); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
}

// A connection in use yields when it is put back.
func TestWALConnectionInUseYieldsAfterwards(t *testing.T) {
	t.Parallel()
	path, o := wal(t)
	busy, other := elsewhere(t, path, o), elsewhere(t, path, o)
	tx := begin(t, busy, `INSERT INTO t VALUES (1)`)
	done := make(chan error)
	go func() {
		_, err := other.ExecContext(t.Context(), `INSERT INTO t VALUES (2)`)
		done <- err
	}()
	select {
	case err := <-done:
		t.Fatalf("in the middle of the transaction: %v", err)
	case <-time.After(500 * time.Millisecond):
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n := query[int](t, busy, `SELECT count(*) FROM t`); n != 2 {
		t.Errorf("%d rows, want 2", n)
	}
}

// So does one that has the asked database attached only.
func TestConnectionWithAnAttachedWALDatabaseYields(t *testing.T) {
	t.Parallel()
	for _, main := range []string{filepath.Join(t.TempDir(), "main.db"), ":memory:"} {
		path, o := wal(t)
		holder := open(t, main, Options{Init: func(c *sqlite3.Conn) error {
			return c.Exec(`ATTACH 'file:` + path + `?vfs=holdfast&lock=cell&poll=20ms' AS a`)
		}})
		exec(t, holder, `INSERT INTO a.t VALUES (1)`)
		exec(t, elsewhere(t, path, o), `INSERT INTO t VALUES (2)`)
		if n := query[int](t, holder, `SELECT count(*) FROM a.t`); n != 2 {
			t.Errorf("%s: %d rows, want 2", main, n)
		}
	}
}

// database/sql may put back a connection that nobody used, and then take it out
// without a word. It must not be closed while it is in use.
func TestConnectionTakenOutWithoutAWordIsNotClosed(t *testing.T) {
	t.Parallel()
	path, o := wal(t)
	connector, err := newConnector(path, o)
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := connector.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c := fresh.(*conn)
	defer c.Close()
	if !c.IsValid() {
		t.Fatal("a fresh connection is not valid")
	}
	use := func() {
		t.Helper()
		if _, err := c.ExecContext(t.Context(), `INSERT INTO t VALUES (1)`, nil); err != nil {
			t.Error(err)
		}
	}
	use()
	c.met[0].yield()
	use()
	// Put back after that, it lies idle and gives way.
	c.met[0].yield() // asked again, since that is forgotten after a while
	if c.IsValid() {
		t.Error("it is asked for, and goes back into the pool")
	}
}

// What a program began or fixed on purpose is not taken from it.
func TestConnectionsThatDoNotYield(t *testing.T) {
	t.Parallel()
	for name, statement := range map[string]string{
		"exclusive mode":           `PRAGMA locking_mode=exclusive; INSERT INTO t VALUES (1)`,
		"transaction of one's own": `BEGIN; INSERT INTO t VALUES (1)`,
	} {
		t.Run(name, func(t *testing.T) {
			path, o := wal(t)
			keeper := elsewhere(t, path, o)
			keeper.SetMaxOpenConns(1)
			exec(t, keeper, statement)
			o.Params.Set("_pragma", "busy_timeout(500)")
			other := elsewhere(t, path, o)
			if _, err := other.Exec(`INSERT INTO t VALUES (2)`); !errors.Is(err, ErrHeld) {
				t.Errorf("the other process got %v", err)
			}
			if n := query[int](t, keeper, `SELECT count(*) FROM t`); n != 1 {
				t.Errorf("%d rows, want 1", n)
			}
		})
	}
}

// Two busy pools take turns, whatever happens to their connections meanwhile.
func TestTwoWALProcessesTakeTurns(t *testing.T) {
	t.Parallel()
	path, o := wal(t)
	const rows = 100 // of each
	var dbs [2]*sql.DB
	var stmts [2]*sql.Stmt
	var written [2]atomic.Int64
	for p := range dbs {
		dbs[p] = elsewhere(t, path, o)
		dbs[p].SetMaxOpenConns(3)
		s, err := dbs[p].Prepare(`INSERT INTO t VALUES (?)`)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		stmts[p] = s
	}
	over := func() bool {
		return t.Failed() || written[0].Load() >= rows && written[1].Load() >= rows
	}
	var wg sync.WaitGroup
	start := time.Now()
	for p := range dbs {
		for i := range 4 {
			wg.Go(func() {
				for !over() {
					if time.Since(start) > time.Minute {
						t.Errorf("they wrote only %d and %d rows", written[0].Load(), written[1].Load())
						return
					}
					if err := work(dbs[p], stmts[p], i); err != nil {
						t.Error(err)
						return
					}
					written[p].Add(1)
					time.Sleep(5 * time.Millisecond)
				}
			})
		}
	}
	wg.Wait()
	acknowledged := written[0].Load() + written[1].Load()
	if n := query[int64](t, elsewhere(t, path, o), `SELECT count(*) FROM t`); n != acknowledged {
		t.Errorf("%d rows, %d were acknowledged", n, acknowledged)
	}
}

// work writes one row in one of several ways.
func work(db *sql.DB, s *sql.Stmt, way int) error {
	switch way {
	case 0:
		_, err := s.Exec(1)
		return err
	case 1:
		_, err := db.Exec(`INSERT INTO t VALUES (1)`)
		return err
	case 2:
		return db.QueryRow(`INSERT INTO t VALUES (1) RETURNING x`).Scan(new(int))
	}
	own, err := db.Prepare(`INSERT INTO t VALUES (?)`)
	if err != nil {
		return err
	}
	defer own.Close() // while its connections are idle
	_, err = own.Exec(1)
	return err
}

// several runs f in n goroutines at once.
func several(t *testing.T, n int, f func() error) {
	t.Helper()
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			if err := f(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}
