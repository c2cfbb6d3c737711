package vfs

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/holdfastdb/holdfast/locking"
	"github.com/holdfastdb/holdfast/vfs/vfstest"
	"github.com/spf13/afero"
)

// Over a lease, where each operation is a round trip, the journal is created, found and
// named once, and not for each transaction. Readers do not ask for it.
func TestJournalIsKeptOpenOverALease(t *testing.T) {
	commit := []string{"write", "sync", "write", "sync", "truncate", "sync"}
	for _, c := range []struct {
		mode  string
		grade locking.Grade
		want  []string // operations on the journal of a commit that is not the first
	}{
		{"delete", locking.GradeFenced, commit},
		{"delete", locking.GradeLease, commit},
		{"truncate", locking.GradeFenced, commit},
		{"persist", locking.GradeFenced, []string{"write", "sync", "write", "sync", "write", "sync"}},
		{"delete", locking.GradeKernel, []string{"stat", "create", "write", "sync", "open", "syncdir", "write", "sync", "remove"}},
	} {
		t.Run(c.mode+"/"+string(c.grade), func(t *testing.T) {
			p := fencedProcess()
			p.grade = c.grade
			dir := scratch(t)
			path := filepath.Join(dir, "app.db")
			var ops []string
			disk := vfstest.Faulty(wrapped{afero.NewOsFs()}, func(op vfstest.Op) error {
				of := op.Name == path+"-journal" || op.Name == dir
				again := len(ops) > 0 && ops[len(ops)-1] == op.Kind // a header, and records
				if of && op.Kind != "read" && op.Kind != "close" && !again {
					ops = append(ops, op.Kind)
				}
				return nil
			})
			conn := connect(t, register(t, disk, p.open), path, "")
			run(t, conn, "CREATE TABLE t(x); PRAGMA journal_mode="+c.mode+"; INSERT INTO t VALUES (0)")
			ops = nil
			run(t, conn, "INSERT INTO t VALUES (1)")
			if diff := cmp.Diff(c.want, ops); diff != "" {
				t.Errorf("operations of a commit (-want +got):\n%s", diff)
			}
			ops = nil
			if run(t, conn, "SELECT * FROM t"); c.grade != locking.GradeKernel && len(ops) > 0 {
				t.Errorf("operations of a read: %q", ops)
			}
		})
	}
}

// Whoever leaves last takes what is left of the journal along.
func TestKeptJournalGoesWithTheLastConnection(t *testing.T) {
	p := fencedProcess()
	path := filepath.Join(scratch(t), "app.db")
	vfs := register(t, nil, p.open)
	one, other := connect(t, vfs, path, ""), connect(t, vfs, path, "")
	run(t, one, "CREATE TABLE t(x); INSERT INTO t VALUES (1)")
	run(t, other, "INSERT INTO t VALUES (2)")
	one.Close()
	if info, err := os.Stat(path + "-journal"); err != nil || info.Size() != 0 {
		t.Errorf("while it is open the journal is %v, %v", info, err)
	}
	other.Close()
	if _, err := os.Stat(path + "-journal"); !os.IsNotExist(err) {
		t.Errorf("afterwards it is there: %v", err)
	}
}

// A journal that somebody removed protects nothing, whoever has it open.
func TestKeptJournalThatWasRemoved(t *testing.T) {
	p := fencedProcess()
	path := filepath.Join(scratch(t), "app.db")
	conn := connect(t, register(t, nil, p.open), path, "")
	run(t, conn, "PRAGMA cache_size=5; PRAGMA cache_spill=5;"+bankSchema)
	if err := os.Remove(path + "-journal"); err != nil {
		t.Fatal(err)
	}
	run(t, conn, "BEGIN IMMEDIATE;"+bankTransfer)
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(entries, func(e os.DirEntry) bool { return strings.HasSuffix(e.Name(), "-journal") }) {
		t.Error("a transaction has no journal that anybody else could find")
	}
	run(t, conn, "COMMIT")
}

// A connection that looks whether a journal is hot, and opens it for that, leaves alone
// the one that another connection has begun to write meanwhile.
func TestKeptJournalOpenedTwiceAtOnce(t *testing.T) {
	p := fencedProcess()
	path := filepath.Join(scratch(t), "app.db")
	conn := connect(t, register(t, nil, p.open), path, "")
	run(t, conn, "PRAGMA journal_mode=persist; CREATE TABLE t(x); INSERT INTO t VALUES (1)")
	conn.Close() // the journal stays

	looking, goOn := make(chan struct{}), make(chan struct{})
	disk := &gate{Fs: afero.NewOsFs(), name: path + "-journal", looking: looking, goOn: goOn}
	vfs := register(t, disk, p.open)
	writer, reader := connect(t, vfs, path, ""), connect(t, vfs, path, "")
	disk.armed.Store(true)
	read := make(chan error, 1)
	go func() { read <- reader.Exec("SELECT * FROM t") }()
	select {
	case <-looking:
	case err := <-read:
		t.Fatalf("the reader did not open the journal: %v", err)
	}
	run(t, writer, "BEGIN IMMEDIATE; INSERT INTO t VALUES (2)")
	close(goOn)
	if err := <-read; err != nil {
		t.Error(err)
	}
	run(t, writer, "COMMIT")
}

// A gate holds whoever opens a file, the first time.
type gate struct {
	afero.Fs
	name          string
	armed         atomic.Bool
	looking, goOn chan struct{}
}

func (g *gate) OpenFile(name string, flag int, perm os.FileMode) (afero.File, error) {
	if name == g.name && g.armed.CompareAndSwap(true, false) {
		close(g.looking)
		<-g.goOn
	}
	return g.Fs.OpenFile(name, flag, perm)
}
