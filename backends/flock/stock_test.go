package flock

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/holdfastdb/holdfast/locking"
	"github.com/ncruces/go-sqlite3"
	_ "github.com/ncruces/go-sqlite3/driver"
)

// A peer is a connection to the database that knows nothing of this package.
type peer interface {
	do(sql string) error // one that is locked out has "database is locked" in its error
	pid() int
}

// peers are what to test against. The real sqlite3 is not on every system, so it
// joins on request: HOLDFAST_REAL=1.
func peers() map[string]func(t *testing.T, database string) peer {
	all := map[string]func(t *testing.T, database string) peer{
		"go-sqlite3": func(t *testing.T, database string) peer { return startChild(t, "stock", database) },
		"go-sqlite3 in this process": func(t *testing.T, database string) peer {
			db, err := sqlite3.Open("file:" + database)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { db.Close() })
			return inside{db}
		},
	}
	if os.Getenv("HOLDFAST_REAL") == "1" {
		all["sqlite3"] = func(t *testing.T, database string) peer { return startReal(t, database) }
	}
	return all
}

type inside struct{ db *sqlite3.Conn }

func (p inside) do(sql string) error { return p.db.Exec(sql) }
func (p inside) pid() int            { return os.Getpid() }

// real is the stock shell. Only what it writes about errors comes out at once, so
// each statement is followed by a command that there is not.
type real struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	err *bufio.Scanner
}

func startReal(t *testing.T, database string) *real {
	t.Helper()
	cmd := exec.Command("sqlite3", "-batch", database)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("HOLDFAST_REAL=1 needs the sqlite3 program: %v", err)
	}
	t.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	return &real{cmd, in, bufio.NewScanner(stderr)}
}

func (p *real) pid() int { return p.cmd.Process.Pid }

func (p *real) do(sql string) error {
	const end = "end_of_answer"
	if _, err := fmt.Fprintf(p.in, "%s;\n.%s\n", sql, end); err != nil {
		return err
	}
	var said []string
	for p.err.Scan() {
		if strings.Contains(p.err.Text(), end) {
			break
		}
		said = append(said, p.err.Text())
	}
	if said == nil {
		return p.err.Err()
	}
	return errors.New(strings.Join(said, "\n"))
}

// newTable makes a database with a table that has a row.
func newTable(t testing.TB, path string) {
	t.Helper()
	db, err := sqlite3.Open("file:" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Exec(`CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (1)`); err != nil {
		t.Fatal(err)
	}
}

func forEachPeer(t *testing.T, test func(t *testing.T, l *locker, start func() peer)) {
	for name, start := range peers() {
		t.Run(name, func(t *testing.T) {
			database := newDatabase(t)
			newTable(t, database)
			test(t, newLocker(t, database).(*locker), func() peer { return start(t, database) })
		})
	}
}

func wantDone(t testing.TB, p peer, sql string) {
	t.Helper()
	if err := p.do(sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func wantLocked(t testing.TB, p peer, sql string) {
	t.Helper()
	if err := p.do(sql); err == nil || !strings.Contains(err.Error(), "database is locked") {
		t.Fatalf("%s: error %v, want that the database is locked", sql, err)
	}
}

// by is who a peer is, as far as this system tells.
func by(l *locker, p peer) locking.Holder {
	if runtime.GOOS != "linux" {
		return locking.Holder{}
	}
	h := locking.Holder{PID: p.pid(), Host: l.self.Host, Program: l.self.Program}
	if _, ok := p.(*real); ok {
		h.Program = "sqlite3"
	}
	if h.PID == l.self.PID {
		return l.self
	}
	return h
}

func wantHeldBy(t *testing.T, err error, l *locker, p peer, level, wanted locking.Level) {
	t.Helper()
	if runtime.GOOS != "linux" && errors.Is(err, locking.ErrHeld) {
		return // neither who nor at which level is known
	}
	if p.pid() == os.Getpid() {
		if err == nil || !strings.Contains(err.Error(), "this process") {
			t.Errorf("error %v, want it to say that the holder is this process", err)
		}
		err = errors.Unwrap(err)
	}
	wantHeld(t, err, locking.HeldError{Holder: by(l, p), Level: level, Wanted: wanted})
}

func TestStockHoldsWeWant(t *testing.T) {
	ctx := context.Background()
	forEachPeer(t, func(t *testing.T, l *locker, start func() peer) {
		k, p := newLock(t, l), start()

		wantDone(t, p, `BEGIN EXCLUSIVE`)
		wantHeldBy(t, k.Lock(ctx, shared, nil), l, p, exclusive, shared)
		wantReserved(t, k, true)
		wantDone(t, p, `ROLLBACK`)

		wantDone(t, p, `BEGIN IMMEDIATE`)
		climb(t, k, shared)
		wantHeldBy(t, k.Lock(ctx, reserved, nil), l, p, reserved, reserved)
		wantReserved(t, k, true)
		// Now the reader is in the way of the writer, which stays at PENDING.
		wantDone(t, p, `INSERT INTO t VALUES (2)`)
		wantLocked(t, p, `COMMIT`)
		wantHeldBy(t, k.Lock(ctx, reserved, nil), l, p, pending, reserved)
		wantHeldBy(t, newLock(t, l).Lock(ctx, shared, nil), l, p, pending, shared)
		climbDown(t, k, none)
		wantDone(t, p, `COMMIT`)
		wantReserved(t, k, false)

		wantDone(t, p, `BEGIN; SELECT * FROM t`)
		climb(t, k, shared, reserved)
		wantHeldBy(t, k.Lock(ctx, exclusive, nil), l, p, shared, exclusive)
		if k.Level() != pending {
			t.Fatalf("level = %v, want PENDING", k.Level())
		}
		wantDone(t, p, `COMMIT`)
		climb(t, k, exclusive)
	})
}

func wantReserved(t *testing.T, k *lock, want bool) {
	t.Helper()
	if got, err := k.Reserved(context.Background()); err != nil || got != want {
		t.Fatalf("Reserved() = %v, %v, want %v", got, err, want)
	}
}

func TestWeHoldStockWants(t *testing.T) {
	forEachPeer(t, func(t *testing.T, l *locker, start func() peer) {
		k, reader, p := newLock(t, l), newLock(t, l), start()
		const look = `SELECT * FROM t`

		climb(t, k, shared)
		wantDone(t, p, look)
		wantDone(t, p, `BEGIN IMMEDIATE; INSERT INTO t VALUES (2)`)
		wantLocked(t, p, `COMMIT`)
		climbDown(t, k, none)
		wantDone(t, p, `COMMIT`)

		climb(t, k, shared, reserved)
		wantDone(t, p, look)
		wantLocked(t, p, `BEGIN IMMEDIATE`)

		climb(t, reader, shared)
		wantBusy(t, k.Lock(context.Background(), exclusive, nil))
		wantLocked(t, p, look) // PENDING
		climbDown(t, k, shared)
		wantDone(t, p, look)
		climb(t, k, reserved)
		climbDown(t, reader, none)

		climb(t, k, exclusive)
		wantLocked(t, p, look)
		climbDown(t, k, shared)
		wantDone(t, p, `BEGIN IMMEDIATE`)
		wantDone(t, p, `ROLLBACK`)

		// For a hot journal: nothing may be left of an attempt.
		climb(t, reader, shared)
		wantBusy(t, k.Lock(context.Background(), exclusive, nil))
		wantDone(t, p, look)
		climbDown(t, reader, none)
		climb(t, k, exclusive)
		wantLocked(t, p, look)
		climbDown(t, k, none)
		wantDone(t, p, `INSERT INTO t VALUES (3)`)
	})
}

// Another process that is killed frees at once whatever it held.
func TestKilledHolderFrees(t *testing.T) {
	database := newDatabase(t)
	k := newLock(t, newLocker(t, database))
	for _, level := range []locking.Level{shared, reserved, exclusive} {
		c := startChild(t, "ours", database)
		for _, step := range way[level] {
			if err := c.do(step.String()); err != nil {
				t.Fatal(err)
			}
		}
		c.kill()
		climb(t, k, way[exclusive]...)
		climbDown(t, k, none)
	}
}

func TestErrorNamesOtherProcess(t *testing.T) {
	database := newDatabase(t)
	l := newLocker(t, database).(*locker)
	k, c := newLock(t, l), startChild(t, "ours", database)
	for _, step := range way[exclusive] {
		if err := c.do(step.String()); err != nil {
			t.Fatal(err)
		}
	}
	err := k.Lock(context.Background(), shared, nil)
	wantHeldBy(t, err, l, c, exclusive, shared)
	if want := fmt.Sprintf("database is held at EXCLUSIVE by %s (pid %d) on %s; SHARED was wanted",
		l.self.Program, c.pid(), l.self.Host); runtime.GOOS == "linux" && err.Error() != want {
		t.Errorf("error = %q, want %q", err, want)
	}
}
