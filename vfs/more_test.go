package vfs

import (
	"context"
	"errors"
	"net/url"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfastdb/holdfast/backends/flock"
	"github.com/holdfastdb/holdfast/backends/memory"
	"github.com/holdfastdb/holdfast/locking"
	"github.com/ncruces/go-sqlite3"
)

func flocks(_ context.Context, path string, _ url.Values, _ locking.Storage) (locking.Locker, error) {
	return flock.New(path)
}

// A database in memory is no business of ours: no lock is opened for it.
func TestDatabaseInMemoryTakesNoLock(t *testing.T) {
	name := register(t, nil, func(_ context.Context, path string, _ url.Values, _ locking.Storage) (locking.Locker, error) {
		t.Errorf("locks were opened for %q", path)
		return nil, errors.New("never")
	})
	for _, uri := range []string{":memory:", "file::memory:?vfs=" + name, "file:x?mode=memory&vfs=" + name, "file:?vfs=" + name} {
		conn, err := sqlite3.Open(uri)
		if err != nil {
			t.Fatalf("%s: %v", uri, err)
		}
		run(t, conn, thousandRows+"ATTACH ':memory:' AS m; CREATE TABLE m.t(x); PRAGMA cache_size=5; UPDATE t SET y=y||y")
		conn.Close()
	}
}

// ATTACH and VACUUM INTO of a plain path stay with the VFS of the main database.
func TestPlainPathsStayHere(t *testing.T) {
	dir := scratch(t)
	conn := connect(t, register(t, nil, perFile(locking.GradeLease)), filepath.Join(dir, "a.db"), "")
	run(t, conn, "ATTACH '"+filepath.Join(dir, "b.db")+"' AS b; CREATE TABLE b.t(x)")
	if f := FileOf(conn, "b"); f == nil || f.Path() != filepath.Join(dir, "b.db") {
		t.Errorf("the attached file is %v", f)
	}
	if f := FileOf(conn, "temp"); f != nil {
		t.Errorf("a temporary database is %v", f)
	}
	if f := FileOf(conn, "nothing"); f != nil {
		t.Errorf("a schema that is not there is %v", f)
	}
}

// The whole stack runs in a bubble: a wait of half a minute takes no time.
func TestWaitInABubble(t *testing.T) {
	path := filepath.Join(scratch(t), "app.db")
	synctest.Test(t, func(t *testing.T) {
		reg := memory.New()
		open := func(context.Context, string, url.Values, locking.Storage) (locking.Locker, error) {
			return locking.NewCoordinator(reg, locking.Options{})
		}
		one := connect(t, register(t, nil, open), path, "")
		two := connect(t, register(t, nil, open), path, "&_pragma=busy_timeout(60000)")
		run(t, one, "CREATE TABLE t(x); BEGIN IMMEDIATE; INSERT INTO t VALUES (1)")
		start := time.Now()
		done := make(chan error, 1)
		go func() { done <- two.Exec("INSERT INTO t VALUES (2)") }()
		time.Sleep(30 * time.Second)
		run(t, one, "COMMIT")
		if err := <-done; err != nil {
			t.Error(Explain(two, err))
		}
		if waited := time.Since(start); waited < 30*time.Second || waited > 45*time.Second {
			t.Errorf("waited %v", waited)
		}
		want(t, one, "SELECT count(*) FROM t", "2")
		one.Close()
		two.Close()
	})
}

// With the kernel's locks, WAL is stock: go-sqlite3's own VFS shares the index.
func TestWALBesideStock(t *testing.T) {
	path := filepath.Join(scratch(t), "app.db")
	ours := connect(t, register(t, nil, flocks), path, "")
	stock := connect(t, "os", path, "")
	run(t, ours, "PRAGMA journal_mode=wal; CREATE TABLE t(x)")
	for range 20 {
		run(t, ours, "INSERT INTO t VALUES (1)")
		run(t, stock, "INSERT INTO t VALUES (2)")
	}
	run(t, ours, "BEGIN IMMEDIATE")
	if err := stock.Exec("BEGIN IMMEDIATE"); !errors.Is(err, sqlite3.BUSY) {
		t.Errorf("a second writer: %v", err)
	}
	want(t, stock, "SELECT count(*) FROM t", "40")
	run(t, ours, "COMMIT; PRAGMA wal_checkpoint")
	stock.Close()
	want(t, ours, "SELECT sum(x) FROM t", "60")
	want(t, ours, "PRAGMA integrity_check", "ok")
}

// Memory mapping is allowed with the kernel's locks, and refused over a lease.
func TestMemoryMapping(t *testing.T) {
	for grade, size := range map[locking.Grade]string{locking.GradeKernel: "1000000", locking.GradeLease: ""} {
		t.Run(string(grade), func(t *testing.T) {
			name := register(t, nil, perFile(grade))
			conn := connect(t, name, filepath.Join(scratch(t), "app.db"), "")
			want(t, conn, "PRAGMA mmap_size=1000000", size)
			run(t, conn, thousandRows+"PRAGMA cache_size=5; UPDATE t SET y=y||y")
			want(t, conn, "SELECT sum(length(y)) FROM t", "400000")
			run(t, conn, "DELETE FROM t WHERE x>10; VACUUM")
			want(t, conn, "PRAGMA integrity_check", "ok")
		})
	}
}

// A WAL database can be opened read-only, by one process.
func TestReadOnlyWAL(t *testing.T) {
	a := newArbiter()
	path := filepath.Join(scratch(t), "app.db")
	writer := connect(t, register(t, nil, a.process("writer").open), path, "")
	run(t, writer, "PRAGMA journal_mode=wal; CREATE TABLE t(x); INSERT INTO t VALUES (1)")
	writer.Close()
	reader := connect(t, register(t, nil, a.process("reader").open), path, "&mode=ro")
	want(t, reader, "SELECT x FROM t", "1")
	if err := reader.Exec("INSERT INTO t VALUES (2)"); !errors.Is(err, sqlite3.READONLY) {
		t.Errorf("writing: %v", err)
	}
}
