package vfs

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/holdfastdb/holdfast/locking"
	"github.com/ncruces/go-sqlite3"
)

// Processes with several connections each use one database at random, one statement at a
// time: so it is known at each moment what a transaction that reads must see. A statement
// may be refused; what it answers must be right.
func TestRandomUseAgainstAModel(t *testing.T) {
	for _, grade := range []locking.Grade{locking.GradeLease, locking.GradeFenced} {
		t.Run(string(grade), func(t *testing.T) {
			t.Parallel()
			did := make(map[string]int)
			for range max(20, 80/slow) {
				seed := rand.Uint64()
				a := newArbiter()
				var processes []*process
				var opens []Opener
				for i := range 3 {
					p := a.process(fmt.Sprint("process ", i))
					p.grade = grade
					processes = append(processes, p)
					opens = append(opens, p.open)
				}
				u := newRandomUse(t, seed, func(i int) { processes[i].lose() }, opens...)
				u.steps(250)
				u.end()
				u.add(did)
			}
			whatWasDone(t, did)
		})
	}
}

// The same over leases that keep to the fence. Now and then everybody's lease is over, and
// who had one goes on for a while as if nothing had happened.
func TestRandomUseAndTakeovers(t *testing.T) {
	did := make(map[string]int)
	for range max(4, 12/slow) {
		synctest.Test(t, func(t *testing.T) {
			r := make(registers)
			u := newRandomUse(t, rand.Uint64(), nil, r.fenced, r.fenced, r.fenced)
			u.timeout = "30"
			u.lose = func(int) {
				r.evict(t, u.path)
				u.stale = true
			}
			for range 6 {
				for !u.stale && !t.Failed() {
					u.step()
				}
				u.steps(20)
				u.end()
				u.stale = false
			}
			if r.file(t, u.path) != "" {
				did["taken over"]++
			}
			u.add(did)
		})
		if t.Failed() {
			return
		}
	}
	whatWasDone(t, did, "taken over", "of unknown outcome")
}

func whatWasDone(t *testing.T, did map[string]int, more ...string) {
	t.Log(did)
	for _, what := range append(more, "begin", "checkpoint", "close", "commit", "index", "insert", "lose", "mode", "read", "rollback", "update", "vacuum", "in WAL mode") {
		if did[what] == 0 {
			t.Errorf("this was never there: %s", what)
		}
	}
}

// A tally is what a transaction sees of the table.
type tally struct{ rows, sum int }

// A randomUse is the database, who uses it, and what is known of it.
type randomUse struct {
	t         *testing.T
	seed      uint64
	rng       *rand.Rand
	path      string
	timeout   string            // of a connection that waits, in milliseconds
	lose      func(process int) // has a process lose what it holds
	processes []string          // names of their VFS
	users     []*user
	committed tally
	unknown   []tally // transactions whose outcome nobody knows
	stale     bool    // somebody may have lost its lease, and not know it
	next      int
	trail     []string
	did       map[string]int
}

// A user is a connection, or the place for one.
type user struct {
	number, process int
	conn            *sqlite3.Conn // nil: closed
	begun           bool
	snapshot        *tally // what its transaction has seen, if it has looked
	pending         tally  // what it has added to that
}

// newRandomUse has as many processes as there are openers of locks.
func newRandomUse(t *testing.T, seed uint64, lose func(int), opens ...Opener) *randomUse {
	u := &randomUse{t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 0)), path: filepath.Join(scratch(t), "app.db"), timeout: "0", lose: lose, did: make(map[string]int)}
	for i, open := range opens {
		u.processes = append(u.processes, register(t, nil, open))
		for range len(opens) - i {
			u.users = append(u.users, &user{number: len(u.users), process: i})
		}
	}
	first := connect(t, u.processes[0], u.path, "")
	run(t, first, "PRAGMA page_size=1024; CREATE TABLE t(x INTEGER, pad BLOB)")
	first.Close()
	return u
}

func (u *randomUse) add(did map[string]int) {
	for what, n := range u.did {
		did[what] += n
	}
}

func (u *randomUse) steps(n int) {
	for range n {
		if u.step(); u.t.Failed() {
			return
		}
	}
}

// step has one of the users do something.
func (u *randomUse) step() {
	w := u.users[u.rng.IntN(len(u.users))]
	if u.rng.IntN(150) == 0 {
		u.tell(w, "lose", nil)
		u.lose(w.process)
		return
	}
	if w.conn == nil {
		conn, err := tryConnect(u.processes[w.process], u.path, "")
		if u.tell(w, "open", err); err != nil {
			u.t.Error(err)
			return
		}
		*w = user{number: w.number, process: w.process, conn: conn}
		u.exec(w, "cache", "PRAGMA cache_size=5; PRAGMA busy_timeout="+u.timeout, tally{})
		return
	}
	switch n := u.rng.IntN(100); {
	case n < 30:
		u.insert(w)
	case n < 55:
		u.read(w)
	case n < 60:
		u.change(w, "update", "UPDATE t SET pad=randomblob(400)", tally{})
	case n < 67 && !w.begun:
		w.begun = u.exec(w, "begin", []string{"BEGIN", "BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"}[u.rng.IntN(3)], tally{})
	case n < 80 && w.begun:
		if u.exec(w, "commit", "COMMIT", w.pending) {
			u.commit(w)
		}
	case n < 84 && w.begun:
		u.exec(w, "rollback", "ROLLBACK", tally{})
		u.forget(w)
	case n < 88 && !w.begun:
		u.exec(w, "mode", "PRAGMA journal_mode="+[]string{"delete", "truncate", "persist", "wal", "wal"}[u.rng.IntN(5)], tally{})
	case n < 90 && !w.begun:
		u.exec(w, "locking", "PRAGMA locking_mode="+[]string{"normal", "normal", "exclusive"}[u.rng.IntN(3)], tally{})
	case n < 92 && !w.begun:
		u.exec(w, "checkpoint", "PRAGMA wal_checkpoint("+[]string{"passive", "full", "restart", "truncate"}[u.rng.IntN(4)]+")", tally{})
	case n < 93 && !w.begun:
		u.exec(w, "vacuum", "VACUUM", tally{})
	case n < 95:
		u.change(w, "index", []string{"CREATE INDEX IF NOT EXISTS i ON t(x)", "DROP INDEX IF EXISTS i"}[u.rng.IntN(2)], tally{})
	case n < 100 && u.rng.IntN(2) == 0:
		w.conn.Close()
		u.tell(w, "close", nil)
		*w = user{number: w.number, process: w.process}
	}
}

func (u *randomUse) insert(w *user) {
	u.next++
	u.change(w, "insert", fmt.Sprintf("INSERT INTO t VALUES (%d, randomblob(%d))", u.next, u.rng.IntN(3000)), tally{1, u.next})
}

// change has a user write, in its transaction or in one of its own.
func (u *randomUse) change(w *user, what, sql string, by tally) {
	stake := by
	if w.begun {
		stake = tally{}
	}
	if !u.exec(w, what, sql, stake) {
		return
	}
	if w.snapshot == nil { // who writes sees the last commit
		now := u.committed
		w.snapshot = &now
	}
	w.pending.rows += by.rows
	w.pending.sum += by.sum
	if !w.begun {
		u.commit(w)
	}
}

func (u *randomUse) read(w *user) {
	got, err := tryValue(w.conn, "SELECT count(*)||' '||coalesce(sum(x),0) FROM t")
	if err == nil {
		err = FileOf(w.conn, "main").Check() // what SQLite has in its cache it reads from there
	}
	u.tell(w, "read", err)
	if !u.allowed(w, err, tally{}) {
		return
	}
	if u.stale {
		return // somebody who was stopped for too long may see what was
	}
	sees := u.committed
	if w.begun && w.snapshot == nil {
		w.snapshot = &sees
	}
	if w.begun {
		sees = *w.snapshot
		sees.rows += w.pending.rows
		sees.sum += w.pending.sum
	}
	if want := fmt.Sprint(sees.rows, " ", sees.sum); got != want {
		u.t.Errorf("%d sees %s, want %s", w.number, got, want)
	}
	if f := FileOf(w.conn, "main"); f.body().wal.Load() {
		u.did["in WAL mode"]++
	}
}

// commit is told that the transaction of a user is committed.
func (u *randomUse) commit(w *user) {
	u.committed.rows += w.pending.rows
	u.committed.sum += w.pending.sum
	u.forget(w)
}

func (u *randomUse) forget(w *user) { w.begun, w.snapshot, w.pending = false, nil, tally{} }

// exec reports whether a statement succeeded, which would commit what is at stake.
func (u *randomUse) exec(w *user, what, sql string, stake tally) bool {
	err := w.conn.Exec(sql)
	u.did[what]++
	u.trail = append(u.trail, fmt.Sprintf("%d of %d: %s: %v", w.number, w.process, sql, err))
	return u.allowed(w, err, stake)
}

// refusals are the errors that anybody may get who tries again. SQLite gives the third if
// a checkpoint comes after a change of the journal mode that was refused.
var refusals = []error{sqlite3.BUSY, sqlite3.LOCKED, sqlite3.IOERR_SHMLOCK, errIsWAL}

// allowed fails the test on errors that nobody may get. After others the transaction is
// rolled back, and a connection that lost its lease is closed: what was at stake then may
// be committed. It reports whether there was none.
func (u *randomUse) allowed(w *user, err error, stake tally) bool {
	if err == nil {
		return true
	}
	lost := FileOf(w.conn, "main").Lost() != nil
	torn := u.stale && errors.Is(err, sqlite3.CORRUPT) // who was stopped for too long may see parts of two states
	if explained := Explain(w.conn, err); !lost && !torn && !slices.ContainsFunc(refusals, func(r error) bool { return errors.Is(explained, r) }) {
		u.t.Errorf("%d: %v", w.number, explained)
	}
	if lost && u.stale && stake.rows > 0 {
		u.unknown = append(u.unknown, stake)
		u.did["of unknown outcome"]++
	}
	if lost {
		w.conn.Close()
		w.conn = nil
	} else if w.begun {
		u.tell(w, "ROLLBACK", w.conn.Exec("ROLLBACK"))
	}
	u.forget(w)
	return false
}

func (u *randomUse) tell(w *user, what string, how any) {
	u.did[what]++
	u.trail = append(u.trail, fmt.Sprintf("%d of %d: %s: %v", w.number, w.process, what, how))
}

// end closes everything, and looks at what is left.
func (u *randomUse) end() {
	for _, w := range u.users {
		if w.conn != nil {
			w.conn.Close()
		}
		*w = user{number: w.number, process: w.process}
	}
	if !u.t.Failed() {
		u.audit()
	}
	if u.t.Failed() {
		u.t.Fatalf("seed %d:\n%s", u.seed, strings.Join(u.trail[max(0, len(u.trail)-60):], "\n"))
	}
}

func (u *randomUse) audit() {
	conn := connect(u.t, u.processes[0], u.path, "&_pragma=busy_timeout(60000)")
	defer conn.Close()
	var got tally
	if _, err := fmt.Sscan(value(u.t, conn, "SELECT count(*)||' '||coalesce(sum(x),0) FROM t"), &got.rows, &got.sum); err != nil {
		u.t.Fatal(err)
	}
	may := []tally{u.committed}
	for _, x := range u.unknown {
		for _, m := range may {
			may = append(may, tally{m.rows + x.rows, m.sum + x.sum})
		}
	}
	if !slices.Contains(may, got) {
		u.t.Errorf("in the end there is %v, and there should be one of %v", got, may)
	}
	u.committed, u.unknown = got, nil
	want(u.t, conn, "PRAGMA integrity_check", "ok")
}
