package vfs

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/holdfastdb/holdfast/locking"
	"github.com/ncruces/go-sqlite3"
	sqlitevfs "github.com/ncruces/go-sqlite3/vfs"
)

// These tests pin what go-sqlite3 does without documenting it.

// SetDB is given the connection, and its interrupt context is the caller's.
func TestPinConnectionOfAFile(t *testing.T) {
	path := filepath.Join(scratch(t), "app.db")
	conn := connect(t, register(t, nil, newArbiter().process("p").open), path, "")
	f := FileOf(conn, "main")
	if f.conn != conn {
		t.Fatalf("SetDB was given %v", f.conn)
	}
	type key struct{}
	ctx := context.WithValue(t.Context(), key{}, "mine")
	conn.SetInterrupt(ctx)
	if got := f.context(); got != ctx {
		t.Errorf("the interrupt context is %v", got)
	}
	run(t, conn, "ATTACH 'file:"+filepath.ToSlash(path)+"2?vfs="+vfsName(t, conn)+"' AS other")
	if other := FileOf(conn, "other"); other == nil || other.conn != conn || other.Path() != path+"2" {
		t.Errorf("the attached file is %v", other)
	}
	n := 0
	for range Files(conn) {
		n++
	}
	if n != 2 {
		t.Errorf("%d files are found", n)
	}
}

func vfsName(t *testing.T, conn *sqlite3.Conn) string {
	t.Helper()
	name, err := conn.FileControl("main", sqlite3.FCNTL_VFSNAME)
	if err != nil {
		t.Fatal(err)
	}
	return name.(string)
}

// CommitPhaseTwo comes once for each write transaction, and never else.
func TestPinCommitPhaseTwo(t *testing.T) {
	for _, mode := range []string{"delete", "truncate", "persist", "memory", "off", "wal"} {
		t.Run(mode, func(t *testing.T) {
			p := newArbiter().process("p")
			spy := &spyVFS{VFS: New(nil, p.open)}
			name := "spy-" + mode
			sqlitevfs.Register(name, spy)
			t.Cleanup(func() { sqlitevfs.Unregister(name) })
			conn := connect(t, name, filepath.Join(scratch(t), "app.db"), "")
			run(t, conn, "PRAGMA journal_mode="+mode+"; CREATE TABLE t(x)")
			for sql, commits := range map[string]int{
				"INSERT INTO t VALUES (1)":                         1,
				"BEGIN; INSERT INTO t VALUES (1); COMMIT":          1,
				"BEGIN IMMEDIATE; COMMIT":                          1,
				"VACUUM":                                           1,
				"SELECT * FROM t":                                  0,
				"BEGIN; SELECT * FROM t; COMMIT":                   0,
				"BEGIN; INSERT INTO t VALUES (1); ROLLBACK":        0,
				"PRAGMA wal_checkpoint(TRUNCATE)":                  0,
				"UPDATE t SET x=x; DELETE FROM t; SELECT * FROM t": 2,
			} {
				if mode == "off" && strings.HasSuffix(sql, "ROLLBACK") {
					continue // without a journal, what it does is undefined
				}
				spy.commits = 0
				run(t, conn, sql)
				if spy.commits != commits {
					t.Errorf("%s: %d calls, want %d", sql, spy.commits, commits)
				}
			}
		})
	}
}

// A spyVFS counts calls of CommitPhaseTwo.
type spyVFS struct {
	*VFS
	commits int
}

type spyFile struct {
	*File
	spy *spyVFS
}

func (s *spyVFS) OpenFilename(name *sqlitevfs.Filename, flags sqlitevfs.OpenFlag) (sqlitevfs.File, sqlitevfs.OpenFlag, error) {
	file, flags, err := s.VFS.OpenFilename(name, flags)
	if f, ok := file.(*File); ok && err == nil {
		file = spyFile{f, s}
	}
	return file, flags, err
}

func (s spyFile) Unwrap() sqlitevfs.File { return s.File }

func (s spyFile) CommitPhaseTwo() error {
	s.spy.commits++
	return s.File.CommitPhaseTwo()
}

// A wait for a lock obeys the busy timeout, and says who is in the way.
func TestBusyNamesTheHolder(t *testing.T) {
	a := newArbiter()
	path := filepath.Join(scratch(t), "app.db")
	one := connect(t, register(t, nil, a.process("one").open), path, "")
	run(t, one, "CREATE TABLE t(x); BEGIN EXCLUSIVE")
	two := connect(t, register(t, nil, a.process("two").open), path, "&_pragma=busy_timeout(50)")
	start := time.Now()
	err := two.Exec("SELECT * FROM t")
	if waited := time.Since(start); waited < 50*time.Millisecond || waited > 5*time.Second {
		t.Errorf("waited %v", waited)
	}
	explained := Explain(two, err)
	var held *locking.HeldError
	if !errors.Is(explained, sqlite3.BUSY) || !errors.As(explained, &held) {
		t.Fatalf("error is %v", explained)
	}
	wantHeld := &locking.HeldError{Holder: locking.Holder{Program: "one", PID: 1}, Level: locking.Exclusive, Wanted: locking.Shared}
	if diff := cmp.Diff(wantHeld, held); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if cause := FileOf(two, "main").Cause(); !errors.Is(cause, locking.ErrHeld) {
		t.Errorf("cause is %v", cause)
	}
	run(t, one, "COMMIT")
	run(t, two, "SELECT * FROM t")
	if cause := FileOf(two, "main").Cause(); cause != nil {
		t.Errorf("cause after success is %v", cause)
	}
	if err := Explain(two, two.Exec("nonsense")); errors.Is(err, locking.ErrHeld) {
		t.Errorf("a syntax error is explained by %v", err)
	}
}

// A deadline ends the wait, whatever the busy timeout is.
func TestDeadlineEndsTheWait(t *testing.T) {
	for _, sql := range []string{"SELECT * FROM t", "INSERT INTO t VALUES (1)"} {
		t.Run(sql, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // time passes while it waits, and only then
				a := newArbiter()
				path := filepath.Join(scratch(t), "app.db")
				one := connect(t, register(t, nil, a.process("one").open), path, "")
				run(t, one, "CREATE TABLE t(x); BEGIN EXCLUSIVE")
				two := connect(t, register(t, nil, a.process("two").open), path, "&_pragma=busy_timeout(60000)")
				ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
				defer cancel()
				two.SetInterrupt(ctx)
				start := time.Now()
				err := Explain(two, two.Exec(sql))
				if waited := time.Since(start); waited < 50*time.Millisecond || waited > time.Second {
					t.Errorf("waited %v", waited)
				}
				if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, sqlite3.INTERRUPT) {
					t.Errorf("error is %v", err)
				}
				two.SetInterrupt(t.Context())
				run(t, one, "COMMIT")
				run(t, two, sql)
			})
		})
	}
}

// The cause of a cancelled context comes along.
func TestCancelCause(t *testing.T) {
	a := newArbiter()
	path := filepath.Join(scratch(t), "app.db")
	one := connect(t, register(t, nil, a.process("one").open), path, "")
	run(t, one, "CREATE TABLE t(x); BEGIN EXCLUSIVE")
	two := connect(t, register(t, nil, a.process("two").open), path, "")
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the user left")
	two.SetInterrupt(ctx)
	if err := two.BusyHandler(func(context.Context, int) bool { cancel(why); return true }); err != nil {
		t.Fatal(err)
	}
	if err := Explain(two, two.Exec("SELECT * FROM t")); !errors.Is(err, why) || !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
}

// A reader that wants to write while another writer waits for it must not wait.
func TestUpgradeDoesNotWait(t *testing.T) {
	a := newArbiter()
	path := filepath.Join(scratch(t), "app.db")
	const patient = "&_pragma=busy_timeout(60000)"
	one := connect(t, register(t, nil, a.process("one").open), path, patient)
	two := connect(t, register(t, nil, a.process("two").open), path, patient)
	run(t, one, "CREATE TABLE t(x); BEGIN; SELECT * FROM t")
	run(t, two, "BEGIN; SELECT count(*) FROM t; INSERT INTO t VALUES (2)")
	start := time.Now()
	if err := one.Exec("INSERT INTO t VALUES (1)"); err == nil || time.Since(start) > 5*time.Second {
		t.Errorf("after %v: %v", time.Since(start), err)
	}
	run(t, one, "ROLLBACK")
	run(t, two, "COMMIT")
}
