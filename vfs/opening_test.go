package vfs

import (
	"context"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/holdfastdb/holdfast/locking"
	"github.com/ncruces/go-sqlite3"
	"github.com/spf13/afero"
)

// A lookedAt lock lets something happen right after it said where the database is.
type lookedAt struct {
	locking.Locker
	then *func()
}

func (l lookedAt) Current(ctx context.Context) (locking.Current, error) {
	at, err := l.Locker.Current(ctx)
	if then := *l.then; then != nil {
		*l.then = nil
		then()
	}
	return at, err
}

// A database may be taken over, and its old file removed, between the look at its lock
// and the opening of the file that was named, more than once.
func TestOpeningWhileTheDatabaseGoesOn(t *testing.T) {
	path := filepath.Join(scratch(t), "app.db")
	r := make(registers)
	rows := 0
	goesOn := func() {
		doomed := connect(t, register(t, nil, r.fenced), path, "")
		doomed.BusyTimeout(10 * time.Second)
		run(t, doomed, "CREATE TABLE IF NOT EXISTS t(x); BEGIN EXCLUSIVE") // it alone is evicted
		r.evict(t, path)
		next := connect(t, register(t, nil, r.fenced), path, "")
		next.BusyTimeout(10 * time.Second)
		run(t, next, "INSERT INTO t VALUES (0)")
		rows++
		next.Close()
		doomed.Close()
	}
	created := connect(t, register(t, nil, r.fenced), path, "")
	run(t, created, "CREATE TABLE t(x)")
	created.Close()

	var then func()
	name := register(t, nil, func(ctx context.Context, path string, params url.Values, storage locking.Storage) (locking.Locker, error) {
		l, err := r.fenced(ctx, path, params, storage)
		return lookedAt{l, &then}, err
	})
	has := func(conn *sqlite3.Conn) {
		t.Helper()
		conn.BusyTimeout(10 * time.Second)
		want(t, conn, "SELECT count(*) FROM t", strconv.Itoa(rows))
	}
	for _, from := range []string{"its plain name", "a copy"} {
		t.Run("from "+from, func(t *testing.T) {
			then = goesOn
			first := connect(t, name, path, "")
			has(first)
			if then != nil {
				t.Error("the lock was not asked")
			}
			goesOn()
			then = goesOn
			has(connect(t, name, path, "")) // one more connection, of a process that has it open
			if then != nil {
				t.Error("the lock was not asked by one more connection")
			}
			has(first)
		})
	}
	t.Run("twice", func(t *testing.T) {
		then = func() { goesOn(); then = goesOn }
		has(connect(t, name, path, ""))
		if then != nil {
			t.Error("the lock was not asked again")
		}
	})
}

// Opening the lock takes a while, and another process may begin the database meanwhile.
func TestTwoProcessesBeginADatabase(t *testing.T) {
	path := filepath.Join(scratch(t), "app.db")
	r := make(registers)
	name := register(t, nil, func(ctx context.Context, path string, params url.Values, storage locking.Storage) (locking.Locker, error) {
		other := connect(t, register(t, nil, r.fenced), path, "")
		run(t, other, "CREATE TABLE t(x)")
		other.Close()
		return r.fenced(ctx, path, params, storage)
	})
	run(t, connect(t, name, path, ""), "INSERT INTO t VALUES (1)")
}

// openedFs lets something happen right before the file that is the database is opened
// for writing.
type openedFs struct {
	afero.Fs
	path string
	then *func()
}

func (f openedFs) OpenFile(name string, flag int, perm fs.FileMode) (afero.File, error) {
	if then := *f.then; then != nil && flag&os.O_RDWR != 0 && name == f.path {
		*f.then = nil
		then()
	}
	return f.Fs.OpenFile(name, flag, perm)
}

// The same may happen to one more connection, which is the first that writes.
func TestOpeningForWritingWhileTheDatabaseGoesOn(t *testing.T) {
	path := filepath.Join(scratch(t), "app.db")
	r := make(registers)
	host := afero.NewOsFs()
	first := connect(t, register(t, host, r.fenced), path, "")
	run(t, first, "CREATE TABLE t(x); BEGIN IMMEDIATE")
	goesOn := func() {
		r.evict(t, path)
		next := connect(t, register(t, host, r.fenced), path, "")
		next.BusyTimeout(10 * time.Second)
		run(t, next, "INSERT INTO t VALUES (1)")
		next.Close()
		first.Close()
	}
	var then func()
	name := register(t, openedFs{host, path, &then}, r.fenced)
	connect(t, name, path, "&mode=ro")
	then = goesOn
	conn := connect(t, name, path, "")
	if then != nil {
		t.Error("it was not opened for writing")
	}
	conn.BusyTimeout(10 * time.Second)
	want(t, conn, "SELECT count(*) FROM t", "1")
	run(t, conn, "INSERT INTO t VALUES (2)")
}
