package vfs

import (
	"context"
	"errors"
	"net/url"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/holdfastdb/holdfast/locking"
	"github.com/holdfastdb/holdfast/vfs/vfstest"
	"github.com/ncruces/go-sqlite3"
	"github.com/spf13/afero"
)

// A transaction over several databases is there in all of them or in none,
// whichever of their leases is lost, and whenever.
func TestLossInATransactionOverSeveralDatabases(t *testing.T) {
	for _, loser := range []string{"a.db", "b.db", "c.db"} {
		t.Run(loser, func(t *testing.T) {
			n := 1
			for ; loseOneOf(t, loser, n); n++ {
			}
			if n < 15 {
				t.Errorf("the lease was lost at %d points only", n-1)
			}
			t.Logf("%d points", n-1)
		})
	}
}

// loseOneOf runs a transaction in which one database loses its lease, and is taken
// over at once, just before the n-th operation on a file of another. It reports
// whether it got that far.
func loseOneOf(t *testing.T, loser string, loseAt int) bool {
	dir := scratch(t)
	locks := map[string]*arbiter{"a.db": newArbiter(), "b.db": newArbiter(), "c.db": newArbiter()}
	mine := make(map[string]*process)
	opener := func(name string, keep map[string]*process) Opener {
		return func(_ context.Context, path string, _ url.Values, _ locking.Storage) (locking.Locker, error) {
			p := locks[filepath.Base(path)].process(name)
			if keep != nil {
				keep[filepath.Base(path)] = p
			}
			return p, nil
		}
	}
	open := func(vfs string) *sqlite3.Conn {
		conn := connect(t, vfs, filepath.Join(dir, "a.db"), "")
		run(t, conn, "ATTACH '"+filepath.Join(dir, "b.db")+"' AS b; ATTACH '"+filepath.Join(dir, "c.db")+"' AS c")
		return conn
	}
	armed, seen, lost := false, 0, false
	removed, atRemoval := false, false // of the super-journal, which is the commit
	hurt := false                      // the loss came before that, and took something away
	disk := vfstest.Faulty(wrapped{afero.NewOsFs()}, func(op vfstest.Op) error {
		file := filepath.Base(op.Name)
		if !armed || file == loser || file == loser+"-journal" {
			return nil
		}
		removal := op.Kind == "remove" && superName.MatchString(op.Name)
		if seen++; seen == loseAt {
			lost, atRemoval = true, removal
			hurt = mine[loser].lose() && !removed
			next := connect(t, register(t, nil, opener("next", nil)), filepath.Join(dir, loser), "")
			run(t, next, "SELECT count(*) FROM "+loser[:1])
			next.Close()
		}
		removed = removed || removal
		return nil
	})
	conn := open(register(t, disk, opener("one", mine)))
	run(t, conn, "CREATE TABLE a(x); CREATE TABLE b.b(x); CREATE TABLE c.c(x)")
	armed = true
	err := conn.Exec("BEGIN; INSERT INTO a VALUES (1); INSERT INTO b VALUES (1); INSERT INTO c VALUES (1); COMMIT")
	armed = false
	if explained := Explain(conn, err); hurt && err == nil || err != nil && !errors.Is(explained, locking.ErrLost) {
		t.Errorf("loss at operation %d: error is %v", loseAt, explained)
	}
	if !conn.GetAutocommit() {
		conn.Exec("ROLLBACK")
	}
	conn.Close()

	next := open(register(t, nil, opener("two", nil)))
	sum := value(t, next, "SELECT (SELECT count(*) FROM a)||(SELECT count(*) FROM b)||(SELECT count(*) FROM c)")
	switch {
	case sum == "000" && err != nil, sum == "111":
	case atRemoval && err != nil: // too late to be stopped, but not acknowledged
	default:
		t.Errorf("loss at operation %d: error is %v, and the databases have %s rows", loseAt, err, sum)
	}
	run(t, next, "BEGIN; INSERT INTO a VALUES (2); INSERT INTO b VALUES (2); INSERT INTO c VALUES (2); COMMIT")
	return lost
}

// A super-journal that was removed, or whose commit failed, is forgotten.
func TestSuperJournalsAreForgotten(t *testing.T) {
	dir := scratch(t)
	failing := ""
	disk := vfstest.Faulty(wrapped{afero.NewOsFs()}, func(op vfstest.Op) error {
		if op.Kind == "sync" && filepath.Base(op.Name) == failing {
			failing = "" // once
			return syscall.EIO
		}
		return nil
	})
	conn := connect(t, register(t, disk, perFile(locking.GradeLease)), filepath.Join(dir, "a.db"), "")
	run(t, conn, "ATTACH '"+filepath.Join(dir, "b.db")+"' AS b; CREATE TABLE a(x); CREATE TABLE b.b(x)")
	const both = "BEGIN; INSERT INTO a VALUES (1); INSERT INTO b VALUES (1); COMMIT"
	for _, fail := range []string{"", "b.db-journal", "b.db", ""} {
		failing = fail
		err := conn.Exec(both)
		if (err != nil) != (fail != "") || err != nil && !errors.Is(err, sqlite3.IOERR) {
			t.Errorf("with %q failing: %v", fail, err)
		}
		if !conn.GetAutocommit() {
			run(t, conn, "ROLLBACK")
		}
		if n := len(FileOf(conn, "main").db.vfs.supers); n != 0 {
			t.Errorf("with %q failing: %d super-journals are remembered", fail, n)
		}
	}
	want(t, conn, "SELECT (SELECT count(*) FROM a)||(SELECT count(*) FROM b)", "22")
}

// A connection that lost its lease in mid-transaction, and has not noticed, would
// take the journal of the next writer in the same process for its own.
func TestLostWriterIsNotOvertakenInItsOwnProcess(t *testing.T) {
	a := newArbiter()
	path := filepath.Join(scratch(t), "app.db")
	p := a.process("here")
	here := register(t, nil, p.open)
	lost, next := connect(t, here, path, ""), connect(t, here, path, "")
	run(t, lost, bankSchema+"PRAGMA cache_size=5; PRAGMA cache_spill=5; BEGIN IMMEDIATE;"+bankTransfer)
	p.lose()
	err := Explain(next, next.Exec(bankTransfer))
	if !errors.Is(err, sqlite3.BUSY) || !errors.Is(err, locking.ErrHeld) {
		t.Errorf("the next writer gets %v", err)
	}
	if err := Explain(lost, lost.Exec("COMMIT")); !errors.Is(err, locking.ErrLost) {
		t.Errorf("the lost one gets %v", err)
	}
	run(t, next, bankTransfer)
	want(t, next, "SELECT count(*) FROM log", "1")
	want(t, next, "PRAGMA integrity_check", "ok")
}
