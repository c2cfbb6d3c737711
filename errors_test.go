package holdfast

import (
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
	path, o := lease(t, "_pragma", "busy_timeout(1000)")
	holder, waiter := elsewhere(t, path, o), elsewhere(t, path, o)
	exec(t, holder, `CREATE TABLE t (x)`)
	begin(t, holder, `INSERT INTO t VALUES (1)`)

	start := time.Now()
	_, err := waiter.ExecContext(t.Context(), `INSERT INTO t VALUES (2)`)
	if waited := time.Since(start); waited < 900*time.Millisecond || waited > 3*time.Second {
		t.Errorf("waited %v for a busy timeout of 1s", waited)
	}
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
	if held.Holder.PID != os.Getpid() || held.Level != locking.Reserved || held.Wanted < locking.Shared || held.Epoch == 0 {
		t.Errorf("%+v", held)
	}
	want := fmt.Sprintf(`^sqlite3: database is locked: .*database is held at RESERVED by \S+ \(pid %d\) on \S+ for \S+ \(epoch \d+\); SHARED was wanted$`, os.Getpid())
	if !regexp.MustCompile(want).MatchString(err.Error()) || strings.Contains(err.Error(), "\n") {
		t.Errorf("text is %q, want %s", err, want)
	}
}
