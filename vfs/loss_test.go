package vfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/holdfastdb/holdfast/locking"
	"github.com/holdfastdb/holdfast/vfs/vfstest"
	"github.com/ncruces/go-sqlite3"
	"github.com/spf13/afero"
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
		if errors.Is(err, fs.ErrNotExist) {
			continue // it is just being removed
		}
		if err != nil {
			t.Fatal(err)
		}
		all[e.Name()] = string(content)
	}
	return all
}

// atEveryPoint calls try with 1, 2, ... for each journal mode, on a fresh copy of
// a bank, until it returns false: then there are no more points.
func atEveryPoint(t *testing.T, variants []string, try func(t *testing.T, path, mode, variant string, n int) bool) {
	for _, mode := range []string{"delete", "truncate", "persist", "wal"} {
		template := filepath.Join(scratch(t), "bank.db")
		conn := connect(t, register(t, nil, newArbiter().process("maker").open), template, "")
		run(t, conn, "PRAGMA journal_mode="+mode+";"+bankSchema)
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
		content := []byte(files(t, filepath.Dir(template))["bank.db"])
		for _, variant := range variants {
			t.Run(mode+"/"+variant, func(t *testing.T) {
				points := 0
				for more := true; more; points++ {
					path := filepath.Join(scratch(t), "bank.db")
					if err := os.WriteFile(path, content, 0o666); err != nil {
						t.Fatal(err)
					}
					more = try(t, path, mode, variant, 1+points*slow)
				}
				if points < 10/slow {
					t.Errorf("the lease was lost at %d points only", points-1)
				}
				t.Logf("%d points", points-1)
			})
		}
	}
}

// small makes SQLite spill, and takes the first look at the schema.
func small(mode string) string {
	return "PRAGMA journal_mode=" + mode + "; PRAGMA cache_size=5; PRAGMA cache_spill=5; SELECT * FROM log"
}

// A lease is lost while any one operation is under way. That one takes effect, as it
// may. None follows that changes a file, a commit is not acknowledged, a query does
// not return, and the next process finds all of the transaction or nothing.
func TestLossDuringEveryOperation(t *testing.T) {
	transactions := map[string]string{
		"commit":   "BEGIN IMMEDIATE;" + bankTransfer + "COMMIT",
		"rollback": "BEGIN IMMEDIATE;" + bankTransfer + "ROLLBACK",
		"vacuum":   "VACUUM",
		"read":     "BEGIN; SELECT count(*) FROM log; SELECT sum(length(filler)) FROM account; COMMIT",
	}
	atEveryPoint(t, []string{"commit", "rollback", "vacuum", "read"}, func(t *testing.T, path, mode, variant string, n int) bool {
		a := newArbiter()
		one := a.process("one")
		armed, seen, lost := false, 0, false
		var late []vfstest.Op
		disk := vfstest.Faulty(wrapped{afero.NewOsFs()}, func(op vfstest.Op) error {
			if lost && changes(op) {
				late = append(late, op)
			}
			if armed {
				if seen++; seen == n {
					one.lose()
					lost = true
				}
			}
			return nil
		})
		conn := connect(t, register(t, disk, one.open), path, "")
		run(t, conn, "CREATE TABLE junk AS SELECT * FROM account; DROP TABLE junk; UPDATE account SET sum=sum;"+small(mode))
		armed = true
		err := conn.Exec(transactions[variant])
		armed = false
		if !lost {
			if err != nil {
				t.Fatalf("without a loss: %v", Explain(conn, err))
			}
			return false
		}
		mustBeDead(t, conn, err, variant == "rollback")
		for _, op := range late {
			t.Errorf("after a loss during operation %d: %v", n, op)
		}
		mustBeWhole(t, a, path)
		return true
	})
}

// changes reports whether an operation changes a file that others see.
func changes(op vfstest.Op) bool {
	switch op.Kind {
	case "write", "truncate", "remove", "rename", "create":
		return true
	}
	return false
}

// mustBeDead checks what a caller sees of a lost lease. Only a ROLLBACK may succeed:
// there is nothing that it would have to undo itself.
func mustBeDead(t *testing.T, conn *sqlite3.Conn, err error, quiet bool) {
	t.Helper()
	explained := Explain(conn, err)
	switch {
	case err == nil && !quiet:
		t.Error("it was acknowledged")
	case err != nil && !errors.Is(explained, locking.ErrLost):
		t.Errorf("error is %v", explained)
	case err != nil && !errors.Is(err, CodeLost) && !errors.Is(err, sqlite3.IOERR_SHMLOCK):
		t.Errorf("code is %d", err)
	}
	if !conn.GetAutocommit() {
		conn.Exec("ROLLBACK")
	}
	f := FileOf(conn, "main")
	if f.Check() == nil || f.Lost() == nil {
		t.Error("the connection is not dead")
	}
	for _, sql := range []string{"SELECT * FROM account", "DELETE FROM account", "BEGIN IMMEDIATE"} {
		if err := conn.Exec(sql); !errors.Is(err, sqlite3.IOERR) {
			t.Errorf("then %s: %v", sql, err)
		}
	}
	if err := conn.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// mustBeWhole checks what the next process finds, and returns how many transactions.
func mustBeWhole(t *testing.T, a *arbiter, path string) (transactions int) {
	t.Helper()
	next := connect(t, register(t, nil, a.process("next").open), path, "")
	want(t, next, "PRAGMA integrity_check", "ok")
	count := value(t, next, "SELECT count(*) FROM log")
	transactions, err := strconv.Atoi(count)
	if err != nil {
		t.Fatal(err)
	}
	want(t, next, bankBalance, fmt.Sprintf("8000:%d", 40*transactions))
	next.Close()
	return transactions
}

// A lease is lost at any one check, and the next process takes over at once. The
// lost one changes nothing from then on.
func TestTakeoverAtEveryCheck(t *testing.T) {
	atEveryPoint(t, []string{"COMMIT", "ROLLBACK"}, func(t *testing.T, path, mode, end string, n int) bool {
		a := newArbiter()
		one := a.process("one")
		conn := connect(t, register(t, nil, one.open), path, "")
		run(t, conn, small(mode))
		var taken map[string]string
		found, seen := 0, 0
		one.onCheck = func(*testLock) {
			if seen++; seen != n {
				return
			}
			one.lose()
			found = mustBeWhole(t, a, path)
			next := connect(t, register(t, nil, a.process("next").open), path, "")
			run(t, next, bankTransfer)
			next.Close()
			taken = files(t, filepath.Dir(path))
		}
		err := conn.Exec("BEGIN IMMEDIATE;" + bankTransfer + end)
		one.onCheck = nil
		if taken == nil {
			return false
		}
		mustBeDead(t, conn, err, end == "ROLLBACK" || found == 1) // it may come just after a commit
		if diff := cmp.Diff(taken, files(t, filepath.Dir(path))); diff != "" {
			t.Errorf("loss at check %d: files changed afterwards (-then +now):\n%.2000s", n, diff)
		}
		if got := mustBeWhole(t, a, path); got != found+1 {
			t.Errorf("loss at check %d: %d transactions are there; the next process found %d and made one", n, got, found)
		}
		return true
	})
}
