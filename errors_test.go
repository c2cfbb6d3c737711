package holdfast

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"

	"github.com/holdfastdb/holdfast/locking"
)

// begin starts a transaction that is rolled back at the end of the test.
func begin(t testing.TB, db *sql.DB, statement string) *sql.Tx {
	t.Helper()
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tx.Rollback() })
	exec(t, tx, statement)
	return tx
}

func TestBusyNamesTheHolder(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name          string
		leased, apart bool
	}{
		{"lease, another process", true, true},
		{"lease, another connection", true, false},
		{"kernel, another process", false, true},
		{"kernel, another connection", false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path, o := lease(t, "_pragma", "busy_timeout(1000)")
			epoch := ` \(epoch \d+\)`
			if !tt.leased {
				o.Lock, epoch = "flock", ""
				o.Params.Del("poll")
			}
			holder := open(t, path, o)
			waiter := holder
			if tt.apart {
				waiter = elsewhere(t, path, o)
			}
			exec(t, holder, `CREATE TABLE t (x)`)
			begin(t, holder, `INSERT INTO t VALUES (1)`)
			start := time.Now()
			_, err := waiter.ExecContext(t.Context(), `INSERT INTO t VALUES (2)`)
			if waited := time.Since(start); waited < 900*time.Millisecond || waited > 30*time.Second {
				t.Errorf("waited %v for a busy timeout of 1s", waited)
			}
			checkBusy(t, err, epoch)
		})
	}
}

func checkBusy(t *testing.T, err error, epoch string) {
	t.Helper()
	if !errors.Is(err, sqlite3.BUSY) || !errors.Is(err, ErrHeld) || errors.Is(err, ErrLost) {
		t.Errorf("%v: not BUSY and ErrHeld", err)
	}
	var code *sqlite3.Error
	var temporary interface{ Temporary() bool }
	if errors.As(err, &code) && code.Code() != sqlite3.BUSY || !errors.As(err, &temporary) || !temporary.Temporary() {
		t.Errorf("%v: go-sqlite3's view of the error is gone", err)
	}
	var held *HeldError
	if !errors.As(err, &held) {
		t.Fatalf("no HeldError in %v", err)
	}
	if held.Holder.PID != os.Getpid() || held.Level != locking.Reserved || held.Wanted < locking.Shared {
		t.Errorf("%+v", held)
	}
	want := fmt.Sprintf(`^sqlite3: database is locked: vfs: database "[^"]+": (another connection of this process is in the way: )?database is held at RESERVED by \S+ \(pid %d\) on \S+( for \S+)?%s; (SHARED|RESERVED) was wanted(; no sign of it for .*)?$`, os.Getpid(), epoch)
	if !regexp.MustCompile(want).MatchString(err.Error()) {
		t.Errorf("text is %q, want %s", err, want)
	}
}

// The holder is named wherever BUSY comes up, and within one process as well.
func TestBusyEverywhere(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, held string
		remote     bool
		act        func(db *sql.DB) error
	}{
		{"exec", "IMMEDIATE", true, func(db *sql.DB) error { return second(db.Exec(`INSERT INTO t VALUES (2)`)) }},
		{"exec, local", "IMMEDIATE", false, func(db *sql.DB) error { return second(db.Exec(`INSERT INTO t VALUES (2)`)) }},
		{"arguments", "IMMEDIATE", true, func(db *sql.DB) error { return second(db.Exec(`INSERT INTO t VALUES (?)`, 2)) }},
		{"rows", "EXCLUSIVE", true, func(db *sql.DB) error { return db.QueryRow(`SELECT x FROM t`).Scan(new(int)) }},
		{"rows, local", "EXCLUSIVE", false, func(db *sql.DB) error { return db.QueryRow(`SELECT x FROM t`).Scan(new(int)) }},
		{"prepare", "EXCLUSIVE", true, func(db *sql.DB) error { return second(db.Prepare(`SELECT x FROM t`)) }},
		{"begin", "IMMEDIATE", true, func(db *sql.DB) error {
			return second(db.BeginTx(context.Background(), &sql.TxOptions{Isolation: sql.LevelSerializable}))
		}},
		{"commit", "DEFERRED", true, func(db *sql.DB) error {
			tx, err := db.Begin()
			if err != nil {
				return err
			}
			// The holder is to make way for this, and only then is in the way.
			if _, err := tx.Exec(`PRAGMA busy_timeout=30000; INSERT INTO t VALUES (2); PRAGMA busy_timeout=100`); err != nil {
				return errors.Join(errors.New("too early"), tx.Rollback())
			}
			return tx.Commit()
		}},
	}
	for _, lock := range []string{"lease", "flock"} {
		for _, tt := range tests {
			t.Run(lock+" "+tt.name, func(t *testing.T) {
				path, o := lease(t, "_pragma", "busy_timeout(100)")
				if lock == "flock" {
					o.Lock = lock
					o.Params.Del("poll")
				}
				holder := open(t, path, o)
				exec(t, holder, `CREATE TABLE t (x)`)
				c, err := holder.Conn(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				exec(t, c, `BEGIN `+tt.held)
				defer c.ExecContext(context.Background(), `ROLLBACK`)
				query[int](t, c, `SELECT count(*) FROM t`)
				db := holder
				if tt.remote {
					db = elsewhere(t, path, o)
				}
				err = tt.act(db)
				var held *HeldError
				if !errors.Is(err, sqlite3.BUSY) || !errors.As(err, &held) || strings.Contains(err.Error(), "\n") {
					t.Errorf("%v", err)
				}
			})
		}
	}
}

// Connections that share a WAL are in each other's way by its index, of which no lock
// knows: SQLite's error stands alone, and tells a writer from a snapshot that is old.
func TestBusyInAWAL(t *testing.T) {
	t.Parallel()
	for _, lock := range []string{"cell", "flock"} {
		t.Run(lock, func(t *testing.T) {
			t.Parallel()
			path, o := lease(t, "_pragma", "busy_timeout(100)", "_pragma", "journal_mode(wal)")
			if o.Lock = lock; lock == "flock" {
				o.Params.Del("poll")
			}
			db := open(t, path, o)
			exec(t, db, `CREATE TABLE t (x)`)
			writer := begin(t, db, `INSERT INTO t VALUES (1)`)
			if _, err := db.Exec(`INSERT INTO t VALUES (2)`); !errors.Is(err, sqlite3.BUSY) || errors.Is(err, sqlite3.BUSY_SNAPSHOT) || errors.Is(err, ErrHeld) {
				t.Errorf("beside a writer: %v", err)
			}
			reader := begin(t, db, `SELECT count(*) FROM t`)
			if err := writer.Commit(); err != nil {
				t.Fatal(err)
			}
			if _, err := reader.Exec(`INSERT INTO t VALUES (3)`); !errors.Is(err, sqlite3.BUSY_SNAPSHOT) || errors.Is(err, ErrHeld) {
				t.Errorf("after a read of what is old: %v", err)
			}
		})
	}
}

// A pragma of the data source name may have to wait as well.
func TestBusyAtOpen(t *testing.T) {
	t.Parallel()
	path, o := lease(t)
	holder := elsewhere(t, path, o)
	exec(t, holder, `CREATE TABLE t (x)`)
	begin(t, holder, `INSERT INTO t VALUES (1)`)
	o.Params.Set("_pragma", "user_version(7)")
	err := elsewhere(t, path, o).Ping()
	var held *HeldError
	if !errors.Is(err, sqlite3.BUSY) || !errors.As(err, &held) {
		t.Errorf("%v", err)
	}
}

func second[T any](_ T, err error) error { return err }

// The causes of earlier errors are not told again.
func TestOldCausesAreForgotten(t *testing.T) {
	t.Parallel()
	path, o := lease(t, "_pragma", "busy_timeout(30000)")
	holder := elsewhere(t, path, o)
	o.Params.Set("_pragma", "busy_timeout(50)")
	db := elsewhere(t, path, o)
	db.SetMaxOpenConns(1)
	exec(t, holder, `CREATE TABLE t (x UNIQUE)`)
	tx := begin(t, holder, `INSERT INTO t VALUES (1)`)
	if _, err := db.Exec(`INSERT INTO t VALUES (1)`); !errors.Is(err, ErrHeld) {
		t.Errorf("while it is held: %v", err)
	}
	if _, err := db.Exec(`syntax error`); err == nil || errors.Is(err, ErrHeld) {
		t.Errorf("another error: %v", err)
	}
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := db.ExecContext(short, `INSERT INTO t VALUES (1)`); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("until a deadline: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(30*time.Millisecond, cancel)
	_, err := db.ExecContext(ctx, `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT count(*) FROM n`)
	if !errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrHeld) {
		t.Errorf("cancelled: %v", err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	exec(t, db, `PRAGMA busy_timeout=30000`)
	if _, err := db.Exec(`INSERT INTO t VALUES (1)`); !errors.Is(err, sqlite3.CONSTRAINT_UNIQUE) || errors.Is(err, ErrHeld) {
		t.Errorf("afterwards: %v", err)
	}
}
