package vfs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/holdfastdb/holdfast/locking"
	"github.com/ncruces/go-sqlite3"
)

// A database in WAL mode is for one process alone, from its first use on until
// the last of its connections closes; then the next process has it.
func TestWALIsForOneProcess(t *testing.T) {
	a := newArbiter()
	path := filepath.Join(scratch(t), "app.db")
	here, there := register(t, nil, a.process("here").open), register(t, nil, a.process("there").open)
	one, two := connect(t, here, path, ""), connect(t, here, path, "")
	other := connect(t, there, path, "")

	run(t, one, "PRAGMA journal_mode=WAL; CREATE TABLE t(x)")
	want(t, one, "PRAGMA journal_mode", "wal")
	run(t, two, "INSERT INTO t VALUES (1)")
	want(t, one, "SELECT count(*) FROM t", "1")

	_, err := tryValue(other, "SELECT count(*) FROM t")
	explained := Explain(other, err)
	var held *locking.HeldError
	if !errors.Is(err, sqlite3.BUSY) || !errors.As(explained, &held) || !strings.Contains(explained.Error(), "one process alone") {
		t.Errorf("the other process gets %v", explained)
	}

	one.Close()
	if _, err := tryValue(other, "SELECT count(*) FROM t"); !errors.Is(err, sqlite3.BUSY) {
		t.Errorf("with one of two connections closed, the other process gets %v", err)
	}
	two.Close()
	want(t, other, "SELECT count(*) FROM t", "1")
	want(t, other, "PRAGMA journal_mode=delete", "delete")

	again := connect(t, here, path, "")
	want(t, again, "SELECT count(*) FROM t", "1")
	run(t, other, "INSERT INTO t VALUES (2)")
	want(t, again, "SELECT count(*) FROM t", "2")
}

// Nothing is left beside the database, and nothing on the host.
func TestWALLeavesNothingBehind(t *testing.T) {
	a := newArbiter()
	dir := scratch(t)
	path := filepath.Join(dir, "app.db")
	conn := connect(t, register(t, nil, a.process("here").open), path, "")
	run(t, conn, "PRAGMA journal_mode=WAL; CREATE TABLE t(x)")
	f := FileOf(conn, "main")
	private := f.db.shm.path
	if info, err := os.Stat(private); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("private directory: %v, %v", info, err)
	}
	if _, ok := files(t, dir)["app.db-shm"]; ok {
		t.Error("the shared memory lies beside the database")
	}
	conn.Close()
	if _, err := os.Stat(private); !os.IsNotExist(err) {
		t.Errorf("private directory afterwards: %v", err)
	}
	if all := files(t, dir); len(all) != 1 {
		t.Errorf("%d files are left", len(all))
	}
}

// While another process is in, a switch to WAL mode is refused, and nothing is changed.
func TestSwitchToWALNeedsTheDatabaseAlone(t *testing.T) {
	a := newArbiter()
	path := filepath.Join(scratch(t), "app.db")
	one := connect(t, register(t, nil, a.process("one").open), path, "")
	two := connect(t, register(t, nil, a.process("two").open), path, "")
	run(t, one, "CREATE TABLE t(x); INSERT INTO t VALUES (1),(2)")

	reading, _, err := two.Prepare("SELECT x FROM t")
	if err != nil {
		t.Fatal(err)
	}
	if !reading.Step() {
		t.Fatal(reading.Err())
	}
	_, err = tryValue(one, "PRAGMA journal_mode=WAL")
	if explained := Explain(one, err); !errors.Is(err, sqlite3.BUSY) || !strings.Contains(explained.Error(), "one process alone") {
		t.Errorf("the switch gets %v", explained)
	}
	want(t, one, "PRAGMA journal_mode", "delete")
	run(t, one, "PRAGMA user_version") // a read beside the other
	reading.Close()
	want(t, one, "PRAGMA journal_mode=WAL", "wal")
	want(t, one, "SELECT count(*) FROM t", "2")
}

// A WAL that its process did not check-point is found by the next one.
func TestWALOfALostProcessIsRecovered(t *testing.T) {
	a := newArbiter()
	path := filepath.Join(scratch(t), "app.db")
	lost := a.process("lost")
	one := connect(t, register(t, nil, lost.open), path, "")
	run(t, one, "PRAGMA journal_mode=WAL; CREATE TABLE t(x); INSERT INTO t VALUES (1)")
	idle := connect(t, register(t, nil, lost.open), path, "")
	lost.lose()
	two := connect(t, register(t, nil, a.process("two").open), path, "")
	run(t, two, "INSERT INTO t VALUES (2)")
	if err := one.Exec("INSERT INTO t VALUES (3)"); !errors.Is(err, sqlite3.IOERR) {
		t.Errorf("the lost connection writes: %v", err)
	}
	if _, err := tryValue(one, "SELECT count(*) FROM t"); !errors.Is(err, sqlite3.IOERR) {
		t.Errorf("the lost connection reads: %v", err)
	}
	one.Close()
	run(t, two, "INSERT INTO t VALUES (4)")
	two.Close()
	want(t, idle, "SELECT group_concat(x) FROM t", "1,2,4")
}

// A lost connection does not read from its cache, even if it asks for nothing else
// and so cannot notice in any other way.
func TestWALCacheIsNotReadAfterLoss(t *testing.T) {
	p := newArbiter().process("here")
	conn := connect(t, register(t, nil, p.open), filepath.Join(scratch(t), "app.db"), "")
	run(t, conn, "PRAGMA journal_mode=WAL; CREATE TABLE t(x); INSERT INTO t VALUES (1)")
	want(t, conn, "SELECT x FROM t", "1")
	p.lose()
	_, err := tryValue(conn, "SELECT x FROM t")
	if explained := Explain(conn, err); !errors.Is(err, sqlite3.IOERR) || !errors.Is(explained, locking.ErrLost) {
		t.Errorf("error is %v", explained)
	}
}

// Who was refused a database for itself looks again whether it still needs that.
func TestRefusedWALIsLookedAtAgain(t *testing.T) {
	a := newArbiter()
	path := filepath.Join(scratch(t), "app.db")
	one := connect(t, register(t, nil, a.process("one").open), path, "")
	two := connect(t, register(t, nil, a.process("two").open), path, "")
	run(t, one, "CREATE TABLE t(x); BEGIN; SELECT * FROM t") // in another mode since
	FileOf(two, "main").sole.setAlone(true)
	if err := two.Exec("SELECT * FROM t"); !errors.Is(err, sqlite3.BUSY) {
		t.Errorf("at first: %v", err)
	}
	run(t, two, "SELECT * FROM t")
}

// SQLite goes by a WAL that is there, whatever the header says.
func TestStrayWAL(t *testing.T) {
	a := newArbiter()
	path := filepath.Join(scratch(t), "app.db")
	run(t, connect(t, register(t, nil, a.process("maker").open), path, ""), "CREATE TABLE t(x)")
	if err := os.WriteFile(path+"-wal", nil, 0o666); err != nil {
		t.Fatal(err)
	}
	one := connect(t, register(t, nil, a.process("one").open), path, "")
	two := connect(t, register(t, nil, a.process("two").open), path, "")
	run(t, one, "INSERT INTO t VALUES (1)")
	if _, err := tryValue(two, "SELECT * FROM t"); !errors.Is(err, sqlite3.BUSY) {
		t.Errorf("beside it: %v", Explain(two, err))
	}
	one.Close()
	want(t, two, "SELECT * FROM t", "1")
}

// A connection that was lost in WAL mode must not pass its index on to a new one of
// the same process.
func TestWALIndexIsNotInherited(t *testing.T) {
	a := newArbiter()
	path := filepath.Join(scratch(t), "app.db")
	p := a.process("here")
	here := register(t, nil, p.open)
	lost := connect(t, here, path, "")
	run(t, lost, "PRAGMA journal_mode=WAL; CREATE TABLE t(x); INSERT INTO t VALUES (1)")
	p.lose()
	there := connect(t, register(t, nil, a.process("there").open), path, "")
	run(t, there, "INSERT INTO t VALUES (2); PRAGMA wal_checkpoint(TRUNCATE); INSERT INTO t VALUES (3)")
	there.Close()
	fresh := connect(t, here, path, "")
	want(t, fresh, "SELECT group_concat(x) FROM t", "1,2,3")
	run(t, fresh, "INSERT INTO t VALUES (4)")
	lost.Close()
	want(t, fresh, "SELECT group_concat(x) FROM t", "1,2,3,4")
	want(t, fresh, "PRAGMA integrity_check", "ok")
}

// A connection that left WAL mode, and came back to it after another process had
// written, has the same index as a connection that came later.
func TestWALIndexIsThatOfAllConnections(t *testing.T) {
	a := newArbiter()
	path := filepath.Join(scratch(t), "app.db")
	here, there := register(t, nil, a.process("here").open), register(t, nil, a.process("there").open)
	one := connect(t, here, path, "")
	run(t, one, "PRAGMA journal_mode=WAL; CREATE TABLE t(x)")
	want(t, one, "PRAGMA journal_mode=delete", "delete")
	other := connect(t, there, path, "")
	run(t, other, "INSERT INTO t VALUES (1)")
	other.Close()
	want(t, one, "PRAGMA journal_mode=wal", "wal")
	two := connect(t, here, path, "")
	for range 3 {
		run(t, one, "INSERT INTO t VALUES (2)")
		run(t, two, "INSERT INTO t VALUES (3)")
	}
	want(t, one, "SELECT group_concat(x) FROM t", "1,2,3,2,3,2,3")
	one.Close()
	want(t, two, "SELECT group_concat(x) FROM t", "1,2,3,2,3,2,3")
	two.Close()
	want(t, connect(t, there, path, ""), "SELECT group_concat(x) FROM t", "1,2,3,2,3,2,3")
}

// Who leaves WAL mode goes on from what others committed to the WAL, which it may not have
// read.
func TestLeavingWALForgetsWhatWasRead(t *testing.T) {
	for _, grade := range []locking.Grade{locking.GradeKernel, locking.GradeLease, locking.GradeFenced} {
		t.Run(string(grade), func(t *testing.T) {
			p := newArbiter().process("p")
			p.grade = grade
			name := register(t, nil, p.open)
			path := filepath.Join(scratch(t), "app.db")
			one, two := connect(t, name, path, ""), connect(t, name, path, "")
			run(t, one, "PRAGMA journal_mode=WAL; CREATE TABLE t(x); INSERT INTO t VALUES (1)")
			run(t, two, "INSERT INTO t VALUES (2)")
			want(t, one, "SELECT group_concat(x) FROM t", "1,2")
			run(t, two, "INSERT INTO t VALUES (3)")
			two.Close()
			want(t, one, "PRAGMA journal_mode=delete", "delete")
			run(t, one, "INSERT INTO t VALUES (4)")
			want(t, one, "SELECT group_concat(x) FROM t", "1,2,3,4")
		})
	}
}

// locking_mode=EXCLUSIVE needs no shared memory, so it works under any locks.
func TestWALInExclusiveMode(t *testing.T) {
	a := newArbiter()
	dir := scratch(t)
	path := filepath.Join(dir, "app.db")
	p := a.process("here")
	here := register(t, nil, p.open)
	one := connect(t, here, path, "")
	run(t, one, "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; CREATE TABLE t(x); INSERT INTO t VALUES (1)")
	for name := range files(t, FileOf(one, "main").db.shm.path) {
		if name != markName {
			t.Errorf("there is shared memory: %s", name)
		}
	}
	two := connect(t, here, path, "")
	if _, err := tryValue(two, "SELECT * FROM t"); !errors.Is(err, sqlite3.BUSY) {
		t.Errorf("another connection gets %v", err)
	}
	one.Close()
	want(t, two, "SELECT * FROM t", "1")
}

// Several connections write a WAL at once; every row is there afterwards.
func TestWALConnectionsOfOneProcess(t *testing.T) {
	a := newArbiter()
	path := filepath.Join(scratch(t), "app.db")
	here := register(t, nil, a.process("here").open)
	first := connect(t, here, path, "")
	run(t, first, "PRAGMA journal_mode=WAL; CREATE TABLE t(x)")
	var wg sync.WaitGroup
	errs := make(chan error, 4)
	for w := range 4 {
		wg.Go(func() {
			conn, err := tryConnect(here, path, "&_pragma=busy_timeout(20000)")
			if err != nil {
				errs <- err
				return
			}
			defer conn.Close()
			for i := range 50 {
				if err := conn.Exec(fmt.Sprintf("INSERT INTO t VALUES (%d)", w*100+i)); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
	want(t, first, "SELECT count(DISTINCT x) FROM t", "200")
	want(t, first, "PRAGMA integrity_check", "ok")
}
