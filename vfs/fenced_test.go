package vfs

import (
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/holdfastdb/holdfast/locking"
	"github.com/holdfastdb/holdfast/vfs/vfstest"
	"github.com/ncruces/go-sqlite3"
	"github.com/spf13/afero"
)

// fencedProcess is a process whose locks keep to the fence.
func fencedProcess() *process {
	p := newArbiter().process("p")
	p.grade = locking.GradeFenced
	return p
}

// What the fence costs is looks at the register: two for a commit, of which one is
// hidden behind the syncs, one for a commit to a WAL, and none to read.
func TestLooksAtTheRegister(t *testing.T) {
	for _, c := range []struct {
		grade locking.Grade
		query string
		setup string
		sql   string
		looks int64
	}{
		{locking.GradeFenced, "", "PRAGMA journal_mode=delete", "INSERT INTO t VALUES (1)", 2},
		{locking.GradeFenced, "", "PRAGMA journal_mode=truncate", "INSERT INTO t VALUES (1)", 2},
		{locking.GradeFenced, "", "PRAGMA journal_mode=persist", "INSERT INTO t VALUES (1)", 2},
		{locking.GradeFenced, "", "PRAGMA synchronous=off", "INSERT INTO t VALUES (1)", 2},
		{locking.GradeFenced, "", "PRAGMA locking_mode=exclusive; SELECT * FROM t", "INSERT INTO t VALUES (1)", 2},
		{locking.GradeFenced, "", "PRAGMA journal_mode=wal; INSERT INTO t VALUES (0)", "INSERT INTO t VALUES (1)", 1},
		{locking.GradeFenced, "", "PRAGMA journal_mode=wal; PRAGMA synchronous=full; INSERT INTO t VALUES (0)", "INSERT INTO t VALUES (1)", 1},
		{locking.GradeFenced, "", "PRAGMA journal_mode=wal; PRAGMA synchronous=off; INSERT INTO t VALUES (0)", "INSERT INTO t VALUES (1)", 1},
		{locking.GradeFenced, "", "", "BEGIN; INSERT INTO t VALUES (1); ROLLBACK", 1},
		{locking.GradeFenced, "", "", "BEGIN IMMEDIATE; COMMIT", 0},
		{locking.GradeFenced, "", "", "SELECT * FROM t", 0},
		{locking.GradeFenced, "&verify=commit", "", "SELECT * FROM t", 0},
		{locking.GradeFenced, "&verify=read", "", "SELECT * FROM t", 1},
		{locking.GradeFenced, "&verify=read", "", "BEGIN; SELECT * FROM t; SELECT * FROM t; COMMIT", 1},
		{locking.GradeFenced, "&verify=read", "", "INSERT INTO t VALUES (1)", 2},
		{locking.GradeLease, "&verify=read", "", "SELECT * FROM t; INSERT INTO t VALUES (1)", 0},
		{locking.GradeKernel, "&verify=read", "", "SELECT * FROM t; INSERT INTO t VALUES (1)", 0},
	} {
		t.Run(string(c.grade)+c.query+"/"+c.setup+"/"+c.sql, func(t *testing.T) {
			p := fencedProcess()
			p.grade = c.grade
			conn := connect(t, register(t, nil, p.open), filepath.Join(scratch(t), "app.db"), c.query)
			run(t, conn, "CREATE TABLE t(x);"+c.setup)
			p.verifies.Store(0)
			run(t, conn, c.sql)
			if n := p.verifies.Load(); n != c.looks {
				t.Errorf("%d looks, want %d", n, c.looks)
			}
		})
	}
}

// Leave to finish a journal is asked for when the journal is at the storage, and while
// pages are written; the removal waits for it. A commit is confirmed when the removal
// is done and at the storage.
func TestOrderOfACommit(t *testing.T) {
	for _, c := range []struct {
		mode, finish string
	}{
		{"delete", "truncate -journal"},
		{"truncate", "truncate -journal"},
		{"persist", "zero -journal"},
	} {
		for _, synchronous := range []string{"off", "normal", "full"} {
			t.Run(c.mode+"/"+synchronous, func(t *testing.T) {
				p := fencedProcess()
				path := filepath.Join(scratch(t), "app.db")
				var order []string
				armed := false
				note := func(what string) {
					if armed && (len(order) == 0 || order[len(order)-1] != what) {
						order = append(order, what)
					}
				}
				asked := make(chan struct{}, 1)
				waiting := false
				disk := vfstest.Faulty(wrapped{afero.NewOsFs()}, func(op vfstest.Op) error {
					what := op.Kind + " " + strings.TrimPrefix(op.Name, path)
					switch {
					case what == "write -journal" && op.Size == journalHeader:
						what = "zero -journal"
					case what == "write -journal" && op.Size == journalCount:
						what = "count -journal"
					case armed && op.Kind == "write" && op.Name == path && !waiting:
						waiting = true
						select {
						case <-asked: // it is under way
						case <-time.After(5 * time.Second):
							t.Error("nobody asks for leave while pages are written")
						}
					}
					switch op.Kind {
					case "write", "sync", "remove", "truncate":
						note(what)
					}
					return nil
				})
				conn := connect(t, register(t, disk, p.open), path, "")
				run(t, conn, "CREATE TABLE t(x); PRAGMA journal_mode="+c.mode+"; INSERT INTO t VALUES (0); PRAGMA synchronous="+synchronous)
				armed = true
				looks := 0
				p.onVerify = func() error {
					looks++
					if looks == 1 {
						asked <- struct{}{}
						return nil
					}
					note("verify")
					return nil
				}
				run(t, conn, "INSERT INTO t VALUES (1)")
				armed = false
				finish := slices.Index(order, c.finish)
				page, verify := slices.Index(order, "write "), len(order)-1
				synced := slices.Index(order, "sync -journal")
				if synced < 0 || page < synced || finish < page || verify < finish || order[verify] != "verify" {
					t.Errorf("order is %q", order)
				}
				if count := slices.Index(order, "count -journal"); count < 1 || order[count-1] != "sync -journal" {
					t.Errorf("records were counted before they were synced: %q", order)
				}
				if !slices.Contains(order[finish:verify], "sync -journal") {
					t.Errorf("the end of the journal was not synced before the commit was confirmed: %q", order)
				}
				if !slices.Contains(order[page:finish], "sync ") {
					t.Errorf("the pages were not synced before the journal was finished: %q", order)
				}
			})
		}
	}
}

// Without leave a journal stays, whether it is a commit that would finish it, a
// rollback or a recovery.
func TestJournalStaysWithoutLeave(t *testing.T) {
	for _, mode := range []string{"delete", "truncate", "persist"} {
		for _, end := range []string{"COMMIT", "ROLLBACK"} {
			t.Run(mode+"/"+end, func(t *testing.T) {
				p := fencedProcess()
				path := filepath.Join(scratch(t), "app.db")
				conn := connect(t, register(t, nil, p.open), path, "")
				run(t, conn, bankSchema+small(mode))
				p.onVerify = func() error { return locking.ErrLost }
				err := conn.Exec("BEGIN IMMEDIATE;" + bankTransfer + end)
				if end == "COMMIT" && !errors.Is(err, CodeLost) {
					t.Errorf("it was committed: %v", err)
				}
				if lost := FileOf(conn, "main").Lost(); !errors.Is(lost, locking.ErrLost) {
					t.Errorf("the connection: %v", lost)
				}
				conn.Close()
				if head := files(t, filepath.Dir(path))["app.db-journal"]; len(head) < journalHeader || isZero([]byte(head[:journalHeader])) {
					t.Error("the journal is gone")
				}
				p.onVerify = nil
				next := connect(t, register(t, nil, p.open), path, "")
				want(t, next, bankBalance, "8000:0")
			})
		}
	}
}

// A read that cannot be confirmed is told by File.Lost, for who asked for that.
func TestVerifyRead(t *testing.T) {
	p := fencedProcess()
	path := filepath.Join(scratch(t), "app.db")
	name := register(t, nil, p.open)
	conn, trusting := connect(t, name, path, "&verify=read"), connect(t, name, path, "")
	run(t, conn, "CREATE TABLE t(x)")
	run(t, trusting, "SELECT * FROM t")
	p.onVerify = func() error { return locking.ErrLost }
	want(t, trusting, "SELECT count(*) FROM t", "0")
	if err := FileOf(trusting, "main").Lost(); err != nil {
		t.Error(err)
	}
	want(t, conn, "SELECT count(*) FROM t", "0")
	if err := FileOf(conn, "main").Lost(); !errors.Is(err, locking.ErrLost) {
		t.Errorf("lost is %v, want %v", err, locking.ErrLost)
	}
	p.onVerify = nil
	kept := connect(t, name, path, "&verify=read")
	run(t, kept, "PRAGMA locking_mode=exclusive; SELECT * FROM t")
	if err := FileOf(kept, "main").VerifyReads(); err != nil {
		t.Error(err)
	}
	p.onVerify = func() error { return locking.ErrLost }
	run(t, kept, "SELECT * FROM t")
	if err := FileOf(kept, "main").VerifyReads(); !errors.Is(err, locking.ErrLost) {
		t.Errorf("where the level is kept: %v, want %v", err, locking.ErrLost)
	}
	if _, err := tryConnect(name, path, "&verify=always"); err == nil || !strings.Contains(err.Error(), "verify=always") {
		t.Errorf("an unknown value: %v", err)
	}
}

// Journal modes that a lost lease would tear are refused, also when SQLite does not
// ask. synchronous=OFF is NORMAL.
func TestSettingsOverAFence(t *testing.T) {
	dir := scratch(t)
	name := register(t, nil, perFile(locking.GradeFenced))
	conn := connect(t, name, filepath.Join(dir, "app.db"), "")
	run(t, conn, "CREATE TABLE t(x)")
	for _, mode := range []string{"memory", "OFF"} {
		err := conn.Exec("PRAGMA journal_mode=" + mode)
		if text := Explain(conn, err).Error(); !errors.Is(err, sqlite3.ERROR) || strings.Count(text, "fence=off") != 1 {
			t.Errorf("journal_mode=%s: %v", mode, Explain(conn, err))
		}
	}
	want(t, conn, "PRAGMA journal_mode", "delete")
	for value, level := range map[string]string{
		"OFF": "1", "no": "1", "false": "1", "0": "1", "7": "1", "8": "1",
		"normal": "1", "1": "1", "full": "2", "2": "2", "extra": "3", "on": "1",
	} {
		run(t, conn, "PRAGMA synchronous="+value)
		want(t, conn, "PRAGMA synchronous", level)
	}
	want(t, conn, "PRAGMA synchronous=off", "normal") // in a row, as SQLite makes of it
	s, _, err := conn.Prepare("PRAGMA synchronous=off")
	if err != nil || s.ColumnName(0) != "normal" {
		t.Errorf("its column: %v", err)
	}
	s.Close()
	memory, err := sqlite3.Open("file:m?mode=memory&vfs=" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()
	run(t, memory, `ATTACH 'file:`+filepath.ToSlash(dir)+`/other.db?vfs=`+name+`' AS "an odd name"; CREATE TABLE "an odd name".t(x);
		PRAGMA "an odd name".synchronous=off; PRAGMA journal_mode=off`)
	want(t, memory, `PRAGMA "an odd name".synchronous`, "1")
	if mode := value(t, memory, `PRAGMA "an odd name".journal_mode`); mode != "off" {
		t.Fatalf("mode is %s: this tests nothing", mode)
	}
	err = memory.Exec("INSERT INTO t VALUES (1)")
	if !errors.Is(err, sqlite3.IOERR) || !strings.Contains(Explain(memory, err).Error(), "fence=off") {
		t.Errorf("without a journal: %v", Explain(memory, err))
	}
}

// A transaction over several databases is refused before it writes anything, and says
// what to do instead.
func TestTransactionOverSeveralDatabases(t *testing.T) {
	dir := scratch(t)
	name := register(t, nil, perFile(locking.GradeFenced))
	conn := connect(t, name, filepath.Join(dir, "app.db"), "")
	run(t, conn, "CREATE TABLE a(x); ATTACH 'file:"+filepath.ToSlash(dir)+"/b.db?vfs="+name+"' AS b; CREATE TABLE b.b(x)")
	before := files(t, dir)
	err := conn.Exec("BEGIN; INSERT INTO a VALUES (1); INSERT INTO b VALUES (1); COMMIT")
	if err == nil || !strings.Contains(Explain(conn, err).Error(), "several databases") {
		t.Errorf("it says %v", Explain(conn, err))
	}
	if !conn.GetAutocommit() {
		run(t, conn, "ROLLBACK")
	}
	if diff := cmp.Diff(before, files(t, dir)); diff != "" {
		t.Errorf("files changed (-before +after):\n%.500s", diff)
	}
	run(t, conn, "PRAGMA journal_mode=wal; PRAGMA b.journal_mode=wal; BEGIN; INSERT INTO a VALUES (1); INSERT INTO b VALUES (1); COMMIT")
	want(t, conn, "SELECT a.x+b.x FROM a, b", "2")
}

// An operation whose effect is unknown ends the lease; one that certainly did nothing
// does not.
func TestDoubt(t *testing.T) {
	for _, c := range []struct {
		kind, suffix string
		err          error
		doubt        bool
	}{
		{"write", "", syscall.EIO, true},
		{"write", "-journal", syscall.EIO, true},
		{"sync", "", syscall.EIO, true},
		{"sync", "-journal", syscall.EIO, true},
		{"truncate", "-journal", syscall.EIO, true},
		{"write", "", syscall.ETIMEDOUT, true},
		{"write", "", io.ErrShortWrite, true},
		{"write", "", syscall.ENOSPC, false},
		{"write", "-journal", syscall.EDQUOT, false},
		{"truncate", "-journal", syscall.EACCES, false},
		{"write", "", syscall.EROFS, false},
		{"write", "", syscall.EFBIG, false},
		{"read", "", syscall.EIO, false},
	} {
		t.Run(c.kind+c.suffix+" "+c.err.Error(), func(t *testing.T) {
			p := fencedProcess()
			path := filepath.Join(scratch(t), "app.db")
			armed := false
			disk := vfstest.Faulty(wrapped{afero.NewOsFs()}, func(op vfstest.Op) error {
				if armed && op.Kind == c.kind && op.Name == path+c.suffix {
					return c.err
				}
				return nil
			})
			conn := connect(t, register(t, disk, p.open), path, "")
			run(t, conn, "CREATE TABLE t(x)")
			if c.kind == "read" {
				conn.Close()
				conn = connect(t, register(t, disk, p.open), path, "")
				run(t, conn, "PRAGMA journal_mode")
			}
			armed = true
			err := conn.Exec("INSERT INTO t VALUES (1)")
			armed = false
			if err == nil {
				t.Fatal("nothing failed")
			}
			lost := FileOf(conn, "main").Lost()
			if doubted := p.doubted != nil; doubted != c.doubt || errors.Is(lost, locking.ErrLost) != c.doubt {
				t.Errorf("doubt is %v, and the connection %v", p.doubted, lost)
			}
			if c.doubt && (!errors.Is(err, CodeLost) || !errors.Is(Explain(conn, err), c.err)) {
				t.Errorf("error is %v", Explain(conn, err))
			}
		})
	}
}

// A disk that is full when a journal was finished, or a WAL counts already, leaves it open
// whether the transaction is committed. Nobody is told that it is not.
func TestDiskFullAtTheEndOfACommit(t *testing.T) {
	for _, mode := range []string{"delete", "truncate", "persist", "wal; PRAGMA synchronous=normal"} {
		t.Run(mode, func(t *testing.T) {
			p := fencedProcess()
			path := filepath.Join(scratch(t), "app.db")
			syncs, full := 0, 0
			disk := vfstest.Faulty(wrapped{afero.NewOsFs()}, func(op vfstest.Op) error {
				if op.Kind == "sync" && op.Name != path {
					if syncs++; syncs == full {
						return syscall.ENOSPC
					}
				}
				return nil
			})
			conn := connect(t, register(t, disk, p.open), path, "")
			run(t, conn, "PRAGMA journal_mode="+mode+"; CREATE TABLE t(x); INSERT INTO t VALUES (0)")
			syncs = 0
			run(t, conn, "INSERT INTO t VALUES (1)")
			syncs, full = 0, syncs
			err := Explain(conn, conn.Exec("INSERT INTO t VALUES (2)"))
			if !errors.Is(err, CodeLost) || !errors.Is(err, syscall.ENOSPC) || !errors.Is(p.doubted, syscall.ENOSPC) {
				t.Errorf("error is %v, doubt is %v", err, p.doubted)
			}
		})
	}
}
