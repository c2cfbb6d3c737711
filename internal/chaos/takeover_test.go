//go:build linux

package chaos

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfastdb/holdfast/locking"
)

// spill makes a transaction write into the database file long before its commit.
const spill = "cache_size(5)"

// holdInMidTransaction starts a process that has written half a transaction into
// the database: it holds EXCLUSIVE, and the journal is hot.
func holdInMidTransaction(t *testing.T, path string, params []string, how wrap) *helper {
	t.Helper()
	a := startAgent(t, leased(path, append(params, "_pragma", spill)...), how)
	a.exec(`CREATE TABLE t (x); CREATE TABLE filler (b); INSERT INTO t VALUES ('before')`)
	a.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 300) INSERT INTO filler SELECT zeroblob(1000) FROM n`)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	a.must("begin", "")
	a.exec(`INSERT INTO t VALUES ('half')`)
	a.exec(`UPDATE filler SET b = randomblob(1000)`)

	after, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(before) == string(after) {
		t.Fatal("nothing of the transaction is in the database file")
	}
	if journal, err := os.ReadFile(path + "-journal"); err != nil || len(journal) < 8 || journal[0] == 0 {
		t.Fatalf("no hot journal: %v", err)
	}
	if h := holder(record(t, path)); h == nil || h.Level != locking.Exclusive {
		t.Fatalf("the register shows %+v, want somebody at EXCLUSIVE", h)
	}
	return a
}

// holder returns who writes.
func holder(r locking.Record) *locking.Entry {
	for i := range r.Entries {
		if e := &r.Entries[i]; e.Level.Writing() {
			return e
		}
	}
	return nil
}

// recovered fails the test unless the half of a transaction is gone and what came
// after it is there.
func recovered(t *testing.T, path string, a *helper) {
	t.Helper()
	if got := a.value(`SELECT x FROM t ORDER BY rowid`); got != "before\nafter" {
		t.Errorf("rows are %q, want before and after", got)
	}
	if got := a.value(`SELECT count(*) FROM filler WHERE b = zeroblob(1000)`); got != "300" {
		t.Errorf("%s of 300 rows are as they were before the transaction", got)
	}
	intact(t, path, a)
}

// A process that is killed in the middle of a transaction is proven dead: nobody
// on its host waits for its lease, of 15 s by default.
func TestKilledHolderOnThisHost(t *testing.T) {
	// This includes the start of a process. An expiry cannot come before 10 s after the
	// kill: the holder has renewed its lease within a third of the ttl before it.
	const limit = 7500 * time.Millisecond
	for _, tt := range []struct {
		name   string
		begins func(t *testing.T, path string, killed func()) (*helper, reply)
	}{
		{"somebody waits already", func(t *testing.T, path string, kill func()) (*helper, reply) {
			b := startAgent(t, leased(path))
			b.ask(request{Do: "exec", SQL: `INSERT INTO t VALUES ('after')`})
			awaitWaiter(t, path)
			kill()
			return b, b.answer()
		}},
		{"somebody comes later", func(t *testing.T, path string, kill func()) (*helper, reply) {
			b := startAgent(t, leased(path))
			kill()
			return b, b.do(request{Do: "exec", SQL: `INSERT INTO t VALUES ('after')`})
		}},
		{"a new process", func(t *testing.T, path string, kill func()) (*helper, reply) {
			kill()
			b := startAgent(t, leased(path))
			return b, b.do(request{Do: "exec", SQL: `INSERT INTO t VALUES ('after')`})
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := database(t)
			a := holdInMidTransaction(t, path, nil, host)
			var killed int64
			b, r := tt.begins(t, path, func() {
				killed = monotonic()
				a.signal(syscall.SIGKILL)
			})
			took := time.Duration(r.Ended - killed)
			if r.Err != "" || took > limit {
				t.Errorf("the other process committed %v after the kill (%s), want at most %v", took, r.Err, limit)
			}
			t.Logf("took over a lease of 15s within %v", took.Round(time.Millisecond))
			recovered(t, path, b)
		})
	}
}

// awaitWaiter returns when somebody stands in the queue.
func awaitWaiter(t *testing.T, path string) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		r := record(t, path)
		for i := range r.Entries {
			if r.Entries[i].Waits() {
				return
			}
		}
	}
	t.Fatal("nobody ever waited")
}

// Where every process is pid 1, nothing proves a death: whoever comes from another
// pid namespace waits for the lease to expire, counted from the last renewal, and
// not much longer.
func TestKilledHolderInAnotherNamespace(t *testing.T) {
	for _, tt := range []struct {
		name         string
		holder, next func(testing.TB) wrap
		ttl          time.Duration
	}{
		{"holder on the host, newcomer contained", onHost, contained, 3 * time.Second},
		{"holder contained, newcomer on the host", contained, onHost, 3 * time.Second},
		{"both contained", contained, contained, lasting(3*time.Second, 15*time.Second)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := database(t)
			params := []string{"ttl", tt.ttl.String()}
			a := holdInMidTransaction(t, path, params, tt.holder(t))
			b := startAgent(t, leased(path, params...), tt.next(t))
			killed := monotonic()
			a.kill()
			dead := holder(record(t, path))
			b.ask(request{Do: "exec", SQL: `INSERT INTO t VALUES ('after')`})
			silent := awaitEviction(t, path, dead)
			if silent < tt.ttl {
				t.Errorf("evicted %v after its last renewal, want at least the ttl of %v", silent, tt.ttl)
			}
			r := b.answer()
			took := time.Duration(r.Ended - killed)
			if r.Err != "" || took > tt.ttl+2*time.Second {
				t.Errorf("the other process committed %v after the kill (%s), want at most %v", took, r.Err, tt.ttl+2*time.Second)
			}
			t.Logf("ttl %v: evicted %v after the last renewal, next commit %v after the kill", tt.ttl, silent.Round(time.Millisecond), took.Round(time.Millisecond))
			recovered(t, path, b)
		})
	}
}

func onHost(testing.TB) wrap { return host }

// awaitEviction returns how long after its last renewal an entry was seen gone.
// The time of day will do: one host wrote and reads it.
func awaitEviction(t *testing.T, path string, dead *locking.Entry) time.Duration {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		r := record(t, path)
		e := r.Find(dead.Holder.ID)
		if e == nil {
			return time.Since(dead.Renewed)
		}
		if e.Beat != dead.Beat {
			t.Fatalf("the dead holder renews: %+v", e)
		}
	}
	t.Fatal("the dead holder was never evicted")
	return 0
}

// A holder that lives in another namespace, under a pid that is somebody else's
// here, is left alone however long its transaction takes.
func TestLiveHolderInAnotherNamespaceIsLeftAlone(t *testing.T) {
	t.Parallel()
	const ttl = 3 * time.Second
	path := database(t)
	params := []string{"ttl", ttl.String()}
	a := holdInMidTransaction(t, path, params, contained(t))
	was := holder(record(t, path))
	b := startAgent(t, leased(path, params...), contained(t))
	r := b.do(request{Do: "exec", SQL: `INSERT INTO t VALUES ('after')`, Limit: 3 * ttl})
	if !r.Late || r.took() < 3*ttl {
		t.Errorf("the newcomer ended after %v with %q, want the end of its context", r.took(), r.Err)
	}
	if is := holder(record(t, path)); is == nil || is.Holder != was.Holder || is.Beat == was.Beat {
		t.Errorf("the holder went from %+v to %+v, want the same, renewed", was, is)
	}
	a.must("commit", "")
	b.exec(`INSERT INTO t VALUES ('after')`)
	if got := b.value(`SELECT group_concat(x) FROM t`); got != "before,half,after" {
		t.Errorf("rows are %s", got)
	}
	intact(t, path, b)
}

// A holder that was frozen for longer than its lease finds, when it wakes, that it
// may not write any more. Its transaction is undone, and it goes on as a newcomer.
func TestFrozenHolderWakesUp(t *testing.T) {
	const ttl = 3 * time.Second
	for _, how := range []struct {
		name string
		wrap func(testing.TB) wrap
	}{{"on the host", onHost}, {"contained", contained}} {
		t.Run(how.name, func(t *testing.T) {
			t.Parallel()
			path := database(t)
			params := []string{"ttl", ttl.String()}
			a := holdInMidTransaction(t, path, params, how.wrap(t))
			b := startAgent(t, leased(path, params...))
			frozen := monotonic()
			a.signal(syscall.SIGSTOP)
			awaitStop(t, a.process)
			asleep := holder(record(t, path))
			b.ask(request{Do: "exec", SQL: `INSERT INTO t VALUES ('after')`})
			if silent := awaitEviction(t, path, asleep); silent < ttl {
				t.Errorf("evicted after %v, want at least %v", silent, ttl)
			}
			r := b.answer()
			if took := time.Duration(r.Ended - frozen); r.Err != "" || took > ttl+2*time.Second {
				t.Errorf("the other process committed after %v (%s)", took, r.Err)
			}
			a.signal(syscall.SIGCONT)
			if r := a.do(request{Do: "commit"}); !r.Lost || r.Held || !strings.Contains(r.Err, "lease is lost") {
				t.Errorf("the commit of the frozen process: %+v, want the loss", r)
			}
			recovered(t, path, b)
			a.exec(`INSERT INTO t VALUES ('late')`)
			if got := a.value(`SELECT group_concat(x) FROM t`); got != "before,after,late" {
				t.Errorf("rows are %s", got)
			}
		})
	}
}

// awaitStop returns when no thread of a process runs any more, which is some time after
// the signal was sent.
func awaitStop(t *testing.T, p *process) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.pid()))
		if err != nil {
			t.Fatal(err)
		}
		stopped := 0
		for _, name := range threads {
			stat, err := os.ReadFile(name)
			if err != nil {
				break // that thread has just ended
			}
			// The state is what follows the name of the program, in parentheses.
			if _, state, _ := strings.Cut(string(stat), ") "); strings.HasPrefix(state, "T") {
				stopped++
			}
		}
		if len(threads) > 0 && stopped == len(threads) {
			return
		}
	}
	t.Fatalf("%s does not stop", p)
}

// Who had to wait to write is let in after a crash before it could look for a
// journal. Those who come to read must not take its right to write for a sign that
// the journal is in use, and read half a transaction.
func TestReadersBesideQueuedWriterSeeNoHalfTransaction(t *testing.T) {
	t.Parallel()
	const ttl = 3 * time.Second
	path := database(t)
	params := []string{"ttl", ttl.String(), "_pragma", spill}
	a := startAgent(t, leased(path, params...), contained(t))
	a.exec(`CREATE TABLE t (x); CREATE TABLE filler (b)`)
	a.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 300) INSERT INTO filler SELECT zeroblob(1000) FROM n`)

	// The writer has to fail to reserve the database beside another, which so must
	// not be at EXCLUSIVE yet: a reader keeps it from that.
	writer, reader := startAgent(t, leased(path, params...)), startAgent(t, leased(path, params...))
	reader.must("begin", "")
	reader.value(`SELECT count(*) FROM t`)
	a.must("begin", "")
	a.exec(`INSERT INTO t VALUES ('half')`)
	writer.ask(request{Do: "exec", SQL: `INSERT INTO t VALUES ('after')`})
	awaitWaiter(t, path)
	reader.must("rollback", "")
	a.exec(`UPDATE filler SET b = randomblob(1000)`)
	a.kill()

	var readers []*helper
	for range 3 {
		r := startAgent(t, leased(path, params...))
		r.ask(request{Do: "query", SQL: `SELECT count(*) FROM filler WHERE b <> zeroblob(1000)`})
		readers = append(readers, r)
	}
	for i, r := range readers {
		if got := r.answer(); got.Err != "" || got.Rows[0][0] != "0" {
			t.Errorf("reader %d sees %v rows of a transaction that never ended (%s)", i, got.Rows, got.Err)
		}
	}
	if r := writer.answer(); r.Err != "" {
		t.Error(r.Err)
	}
	if got := writer.value(`SELECT group_concat(x) FROM t`); got != "after" {
		t.Errorf("rows are %s", got)
	}
	intact(t, path, writer)
}
