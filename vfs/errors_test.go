package vfs

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfastdb/holdfast/locking"
	"github.com/ncruces/go-sqlite3"
)

// What was refused in a transaction explains the statement that was refused, and none
// that fails after it for a reason of its own.
func TestRefusalExplainsNoLaterMistake(t *testing.T) {
	dir := scratch(t)
	name := register(t, nil, perFile(locking.GradeFenced))
	conn := connect(t, name, filepath.Join(dir, "app.db"), "")
	run(t, conn, "CREATE TABLE t(x); BEGIN IMMEDIATE; INSERT INTO t VALUES (1)")
	err := Explain(conn, conn.Exec("PRAGMA journal_mode=off"))
	if !errors.Is(err, sqlite3.ERROR) || !errors.Is(err, errNoJournal) || strings.Count(err.Error(), "fence=off") != 1 {
		t.Errorf("what is refused: %v", err)
	}
	for _, sql := range []string{
		"SELECT * FROM missing", "SELEC", "SELECT abs(-9223372036854775808)", "VACUUM", "ROLLBACK TO unknown",
	} {
		err := conn.Exec(sql)
		if got := Explain(conn, err); err == nil || got != err {
			t.Errorf("%s: %v", sql, got)
		}
	}
	run(t, conn, "ROLLBACK")
}

// SQLite says BUSY for reasons of its own as well: then no holder is in the way.
func TestHolderExplainsNoBusyOfSQLite(t *testing.T) {
	a := newArbiter()
	path := filepath.Join(scratch(t), "app.db")
	one := connect(t, register(t, nil, a.process("one").open), path, "")
	two := connect(t, register(t, nil, a.process("two").open), path, "")
	run(t, one, "CREATE TABLE t(x); BEGIN IMMEDIATE")
	run(t, two, "CREATE TEMP TABLE mine AS SELECT 1 AS x; BEGIN; SELECT * FROM t")
	if err := Explain(two, two.Exec("INSERT INTO t VALUES (1)")); !errors.Is(err, locking.ErrHeld) {
		t.Errorf("who is in the way: %v", err)
	}
	writing, _, err := two.Prepare("INSERT INTO mine VALUES (2) RETURNING x")
	if err != nil {
		t.Fatal(err)
	}
	defer writing.Close()
	writing.Step()
	err = two.Exec("COMMIT")
	if got := Explain(two, err); !errors.Is(err, sqlite3.BUSY) || got != err {
		t.Errorf("a commit in mid-statement: %v", got)
	}
}
