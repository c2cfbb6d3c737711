package vfs

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfastdb/holdfast/locking"
	"github.com/ncruces/go-sqlite3"
	"golang.org/x/sys/unix"
)

// A grip is what the kernel of a file server has on a file for a client that it cannot
// reach, which NFS calls a read delegation: whoever opens the file for writing waits.
// The kernel of this host knows the same as a lease (fcntl(2), F_SETLEASE), and breaks
// it after 45 seconds.
type grip struct {
	file *os.File
	kind int
	once sync.Once
}

// hold lays a grip on a file that nobody has open for writing. With unix.F_WRLCK it is
// like a write delegation, or the lease that SMB gives whoever is alone: readers wait
// as well, and nobody else may have the file open at all.
func hold(t *testing.T, name string, kind int) *grip {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	g := &grip{file: f, kind: kind}
	if _, err := unix.FcntlInt(f.Fd(), unix.F_SETLEASE, kind); err != nil {
		f.Close()
		if os.Getenv("HOLDFAST_REAL") != "" {
			t.Fatalf("the tests need a file system with leases: %v", err)
		}
		t.Skipf("no leases on the file system of the tests: %v", err)
	}
	t.Cleanup(g.release)
	return g
}

// release gives the file back, as the server does in the end.
func (g *grip) release() { g.once.Do(func() { g.file.Close() }) }

// asked reports whether somebody waits for the file.
func (g *grip) asked() bool {
	left, err := unix.FcntlInt(g.file.Fd(), unix.F_GETLEASE, 0)
	return err != nil || left != g.kind
}

// within fails the test if f takes longer than anybody who has to wait for no grip, and
// then releases them.
func within(t *testing.T, what string, f func(), grips ...*grip) {
	t.Helper()
	timer := time.AfterFunc(20*time.Second, func() {
		t.Errorf("%s waits for a holder who cannot be reached", what)
		for _, g := range grips {
			g.release()
		}
	})
	f()
	timer.Stop()
}

// A holder who cannot be reached delays neither the opening of a database nor its
// takeover. The file that is left behind is removed when the server gives it back, and
// only then: until it does, the removal of a name would hold up its directory.
func TestUnreachableHolderHoldsNobodyUp(t *testing.T) {
	path := filepath.Join(scratch(t), "app.db")
	r := make(registers)
	first := connect(t, register(t, nil, r.fenced), path, "")
	run(t, first, "CREATE TABLE t(x); INSERT INTO t VALUES (1); BEGIN IMMEDIATE")
	r.evict(t, path)
	first.Close()
	g := hold(t, path, unix.F_RDLCK)

	var second *sqlite3.Conn
	name := register(t, nil, r.fenced)
	within(t, "the first commit", func() {
		second = connect(t, name, path, "")
		second.BusyTimeout(10 * time.Second)
		run(t, second, "INSERT INTO t VALUES (2)")
	}, g)
	file := r.file(t, path)
	if file == "" {
		t.Fatal("it was not taken over")
	}
	if err := eventually(g.asked); err != nil {
		t.Error("nobody removes the file that was left behind")
	}
	within(t, "the next commit", func() { run(t, second, "INSERT INTO t VALUES (3)") }, g)
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the file was removed before it was given back: %v", err)
	}
	g.release()
	if err := eventually(func() bool { _, err := os.Stat(path); return os.IsNotExist(err) }); err != nil {
		t.Error("the file was given back, and is still there")
	}
	want(t, second, "SELECT group_concat(x) FROM t", "1,2,3")
}

// To open a database takes it from nobody: what waits for a lock may wait for that
// holder's time to run out as well.
func TestOpeningTakesNothing(t *testing.T) {
	path, r := closed(t)
	g := hold(t, path, unix.F_RDLCK)
	name := register(t, nil, r.fenced)
	within(t, "opening", func() {
		conn := connect(t, name, path, "")
		if ro, _ := conn.ReadOnly("main"); ro {
			t.Error("it was opened read-only")
		}
		conn.Close()
	}, g)
	if g.asked() {
		t.Error("opening took the file from its holder")
	}
}

// Where to open it takes long all the same, the lock was looked at before: the time of
// whoever holds that runs out meanwhile.
func TestLockIsLookedAtFirst(t *testing.T) {
	path, r := closed(t)
	g := hold(t, path, unix.F_WRLCK)
	looks := &looks{Register: r.of(path)}
	name := register(t, nil, func(_ context.Context, _ string, _ url.Values, storage locking.Storage) (locking.Locker, error) {
		return locking.NewCoordinator(looks, locking.Options{Storage: storage})
	})
	opened := opening(name, path)
	if err := eventually(g.asked); err != nil {
		t.Error("nobody opens the file")
	}
	if looks.n.Load() == 0 {
		t.Error("the lock was not looked at before")
	}
	g.release()
	if err := <-opened; err != nil {
		t.Error(err)
	}
}

// While the opening of a database waits, its journal is waited for as well.
func TestJournalIsCalledBackWhileTheDatabaseIs(t *testing.T) {
	path, r := closed(t)
	if err := os.WriteFile(path+"-journal", nil, 0o666); err != nil {
		t.Fatal(err)
	}
	database, journal := hold(t, path, unix.F_WRLCK), hold(t, path+"-journal", unix.F_WRLCK)
	name := register(t, nil, r.fenced)
	opened := opening(name, path)
	if err := eventually(journal.asked); err != nil {
		t.Error("nobody asks for the journal")
	}
	database.release()
	journal.release()
	if err := <-opened; err != nil {
		t.Error(err)
	}
}

// Three files that are held are waited for at once, and not one after the other.
func TestFilesAreCalledBackAtOnce(t *testing.T) {
	path := filepath.Join(scratch(t), "app.db")
	var held []*grip
	for _, suffix := range []string{"", "-journal", "-wal"} {
		if err := os.WriteFile(path+suffix, make([]byte, 100), 0o666); err != nil {
			t.Fatal(err)
		}
		held = append(held, hold(t, path+suffix, unix.F_WRLCK))
	}
	copied := make(chan error)
	go func() { copied <- New(nil, nil).Storage(path).Copy(t.Context(), "app.db", "copy", nil) }()
	for _, g := range held {
		if err := eventually(g.asked); err != nil {
			t.Errorf("nobody asks for %s while the others are held", g.file.Name())
		}
	}
	for _, g := range held {
		g.release()
	}
	if err := <-copied; err != nil {
		t.Error(err)
	}
}

// looks counts how often a register is read.
type looks struct {
	locking.Register
	n atomic.Int64
}

func (l *looks) Read(ctx context.Context) ([]byte, locking.Version, error) {
	l.n.Add(1)
	return l.Register.Read(ctx)
}

// eventually waits for something that a file system tells only who asks.
func eventually(is func() bool) error {
	end := time.Now().Add(20 * time.Second)
	for !is() {
		if time.Now().After(end) {
			return os.ErrDeadlineExceeded
		}
		time.Sleep(5 * time.Millisecond)
	}
	return nil
}

// opening opens a database and closes it again, and tells what came of it.
func opening(vfs, path string) <-chan error {
	done := make(chan error, 1)
	go func() {
		conn, err := tryConnect(vfs, path, "")
		if err == nil {
			conn.Close()
		}
		done <- err
	}()
	return done
}
