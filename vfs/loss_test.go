package vfs

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/holdfastdb/holdfast/locking"
	"github.com/ncruces/go-sqlite3"
)

// A bank has a fixed sum and a log, both changed in each transaction, on more
// pages than the cache holds: so SQLite spills.
const (
	bankSchema = `
		CREATE TABLE account(id INTEGER PRIMARY KEY, sum INTEGER, filler BLOB);
		CREATE TABLE log(n INTEGER PRIMARY KEY);
		WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c WHERE n<80)
		INSERT INTO account SELECT n, 100, randomblob(600) FROM c;`
	bankTransfer = `
		UPDATE account SET sum = sum-1 WHERE id <= 40;
		UPDATE account SET sum = sum+1 WHERE id > 40;
		INSERT INTO log SELECT ifnull(max(n),0)+1 FROM log;`
	bankBalance = `SELECT (SELECT sum(sum) FROM account)||':'||(SELECT 40*(100-min(sum)) FROM account)`
)

// files reads a directory.
func files(t testing.TB, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string)
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all[e.Name()] = string(content)
	}
	return all
}

// Whenever the lease is lost, nothing is written from then on, the caller learns
// of it, and the next process finds all of the transaction or nothing.
func TestLossAtEveryPoint(t *testing.T) {
	for _, mode := range []string{"delete", "truncate", "persist", "wal"} {
		for _, end := range []string{"COMMIT", "ROLLBACK"} {
			t.Run(mode+"/"+end, func(t *testing.T) {
				template := filepath.Join(scratch(t), "bank.db")
				conn := connect(t, register(t, nil, newArbiter().process("maker").open), template, "")
				run(t, conn, "PRAGMA journal_mode="+mode+";"+bankSchema)
				if err := conn.Close(); err != nil {
					t.Fatal(err)
				}
				content := []byte(files(t, filepath.Dir(template))["bank.db"])
				checks := 0
				for loseAt := 1; loseAlong(t, content, mode, end, loseAt); loseAt++ {
					checks++
				}
				if checks < 10 {
					t.Errorf("the lease was lost at %d points only", checks)
				}
				t.Logf("%d points", checks)
			})
		}
	}
}

// loseAlong runs a transaction that loses its lease at the n-th check, and
// reports whether it got that far.
func loseAlong(t *testing.T, content []byte, mode, end string, loseAt int) bool {
	dir := scratch(t)
	path := filepath.Join(dir, "bank.db")
	if err := os.WriteFile(path, content, 0o666); err != nil {
		t.Fatal(err)
	}
	a := newArbiter()
	one := a.process("one")
	conn := connect(t, register(t, nil, one.open), path, "")
	run(t, conn, "PRAGMA journal_mode="+mode+"; PRAGMA cache_size=5; PRAGMA cache_spill=5; SELECT * FROM log")

	var atLoss map[string]string
	seen := 0
	one.onCheck = func(*testLock) {
		if seen++; seen == loseAt {
			atLoss = files(t, dir)
			one.lose()
		}
	}
	err := conn.Exec("BEGIN IMMEDIATE;" + bankTransfer + end)
	explained := Explain(conn, err)
	one.onCheck = nil

	if lost := atLoss != nil; !lost {
		if err != nil {
			t.Fatalf("without a loss: %v", explained)
		}
		return false
	}
	switch {
	case err == nil && end == "COMMIT":
		t.Errorf("loss at check %d: COMMIT was acknowledged", loseAt)
	case err != nil && (!errors.Is(err, CodeLost) || !errors.Is(err, sqlite3.IOERR) || !errors.Is(explained, locking.ErrLost)):
		t.Errorf("loss at check %d: error %#x is %v", loseAt, xcode(err), explained)
	}
	if !conn.GetAutocommit() {
		conn.Exec("ROLLBACK")
	}
	if f := FileOf(conn, "main"); f.Lost() == nil {
		t.Errorf("loss at check %d: the connection is not dead", loseAt)
	}
	for _, sql := range []string{"SELECT * FROM account", "DELETE FROM account", "BEGIN IMMEDIATE"} {
		if err := conn.Exec(sql); !errors.Is(err, sqlite3.IOERR) {
			t.Errorf("loss at check %d: then %s: %v", loseAt, sql, err)
		}
	}
	if err := conn.Close(); err != nil {
		t.Errorf("loss at check %d: close: %v", loseAt, err)
	}
	if diff := cmp.Diff(atLoss, files(t, dir)); diff != "" {
		t.Errorf("loss at check %d: files changed afterwards (-at the loss +now):\n%.2000s", loseAt, diff)
	}

	two := connect(t, register(t, nil, a.process("two").open), path, "")
	want(t, two, "PRAGMA integrity_check", "ok")
	switch got := value(t, two, bankBalance) + "/" + value(t, two, "SELECT count(*) FROM log"); got {
	case "8000:0/0", "8000:40/1":
	default:
		t.Errorf("loss at check %d: the next process finds %s", loseAt, got)
	}
	return true
}

func xcode(err error) sqlite3.ExtendedErrorCode {
	var code sqlite3.ExtendedErrorCode
	errors.As(err, &code)
	return code
}
