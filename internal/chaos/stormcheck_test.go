//go:build linux

package chaos

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// prepare makes the database of the storm.
func (s *storm) prepare() {
	s.t.Helper()
	a := startAgent(s.t, dsn(s.path, s.lock...)) // with the default ttl: nobody may lose a lease before the storm
	for _, statement := range stormSchema {
		a.exec(statement)
	}
	series := func(n int, insert string) {
		a.exec(fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM n WHERE i < %d) %s FROM n`, n-1, insert))
	}
	series(accounts, fmt.Sprintf(`INSERT INTO account SELECT i, %d`, balance))
	series(keys, `INSERT INTO register SELECT i, 0`)
	series(sheets, `INSERT INTO sheet SELECT i, 0, randomblob(3000)`)
	a.must("close", "")
	a.end()
}

// newStorm makes a storm of n processes.
func newStorm(t *testing.T, path string, n int, ttl time.Duration, contained wrap, lock ...string) *storm {
	t.Helper()
	rng, _ := choices(t)
	s := &storm{
		t: t, path: path, rng: rng,
		ttl: ttl, guard: ttl / 4, limit: 10 * time.Second,
		lock: lock, ops: make(map[int64]*operation), counts: make(map[string]int),
	}
	s.newSlots(n, contained)
	s.prepare()
	return s
}

// blow runs the storm.
func (s *storm) blow(d time.Duration) {
	var slots sync.WaitGroup
	for _, sl := range s.slots {
		slots.Go(sl.run)
	}
	s.t.Cleanup(func() {
		for _, sl := range s.slots {
			if sl.p != nil {
				sl.p.signal(syscall.SIGKILL)
			}
		}
	})
	s.rage(d)
	for longest := time.Now().Add(5 * d); s.wanted != nil && !s.wanted() && time.Now().Before(longest); {
		s.rage(d / 4)
	}
	s.end(&slots)
}

// A wreck is what is left of a database after a storm, by a process that comes
// afterwards.
type wreck struct {
	problems []string
	text     string // of everything that counts, for comparison
	ledger   map[int64]int
	last     []*operation // reads of all registers
}

// contentQueries are those whose results sqlite3 must confirm.
var contentQueries = []string{
	`SELECT id, balance FROM account ORDER BY id`,
	`SELECT id, what FROM ledger NOT INDEXED ORDER BY id, rowid`,
	`SELECT k, v FROM register ORDER BY k`,
	`SELECT n, v, hex(b) FROM sheet ORDER BY n`,
	`PRAGMA integrity_check`,
}

// inspect reads the database.
func (s *storm) inspect() *wreck {
	s.t.Helper()
	// Who only looks has the default ttl: however busy the machine is, that has to do.
	a := startAgent(s.t, dsn(s.path, append(slices.Clone(s.lock), "_pragma", "busy_timeout(60000)")...))
	w := &wreck{ledger: make(map[int64]int)}
	value := func(sql string) string {
		r := a.do(request{Do: "query", SQL: sql})
		if r.Err != "" {
			w.problems = append(w.problems, sql+": "+r.Err)
		}
		text := ""
		for _, row := range r.Rows {
			text += strings.Join(row, "|") + "\n"
		}
		return text
	}
	for _, q := range contentQueries {
		w.text += value(q)
	}
	if text := value(`PRAGMA integrity_check`); text != "ok\n" {
		w.problems = append(w.problems, "integrity_check: "+text)
	}
	if got, want := value(`SELECT sum(balance) FROM account`), fmt.Sprintln(accounts*balance); got != want {
		w.problems = append(w.problems, "the total is "+got)
	}
	if got, want := value(`SELECT count(*), count(DISTINCT v) FROM sheet`), fmt.Sprintf("%d|1\n", sheets); got != want {
		w.problems = append(w.problems, "half of a transaction is in the sheets: "+got)
	}
	for line := range strings.Lines(value(`SELECT id FROM ledger NOT INDEXED`)) {
		w.ledger[number(line)]++
	}
	read := func(key int, sql string) {
		o := &operation{Kind: kindRead, Key: key, Outcome: outcomeOK, Call: monotonic(), Saw: number(value(sql))}
		o.Return = monotonic()
		w.last = append(w.last, o)
	}
	for key := range keys {
		read(key, fmt.Sprintf(`SELECT v FROM register WHERE k = %d`, key))
	}
	read(sheetKey, `SELECT max(v) FROM sheet`)
	return w
}

func number(text string) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return -2 // that nobody wrote
	}
	return n
}

// settleLedger returns what the ledger and what was acknowledged disagree about.
func (s *storm) settleLedger(w *wreck) (wrong []string) {
	rows := maps.Clone(w.ledger)
	for _, o := range s.order {
		if o.Kind != "entry" {
			continue
		}
		n := rows[o.ID]
		delete(rows, o.ID)
		switch {
		case n > 1:
			wrong = append(wrong, fmt.Sprintf("there %d times: %+v", n, *o))
		case n == 0 && o.Outcome == outcomeOK:
			wrong = append(wrong, fmt.Sprintf("acknowledged and lost: %+v", *o))
		case n == 1 && o.Outcome == outcomeFailed:
			wrong = append(wrong, fmt.Sprintf("failed and there: %+v", *o))
		}
	}
	for id := range rows {
		wrong = append(wrong, fmt.Sprintf("there and never tried: %d", id))
	}
	return wrong
}

// history is that of the registers.
func (s *storm) history(w *wreck) (h []*operation) {
	for _, o := range s.order {
		switch o.Kind {
		case kindRead, kindWrite, kindSwap:
			h = append(h, o)
		}
	}
	return append(h, w.last...)
}

// closed returns the longest Close, and fails the test if it took longer than it may.
func (s *storm) closed() (longest time.Duration) {
	// A third of the ttl for the lease, and SQLite's own work on the files.
	bound := s.ttl/3 + slack
	for _, c := range s.closes {
		longest = max(longest, c.took)
		if c.took > bound {
			s.t.Errorf("Close took %v (%s), want at most %v", c.took, c.Err, bound)
		}
	}
	return longest
}

// tally counts outcomes, and those of a loss of the lease.
func (s *storm) tally() (outcomes map[string]int, lost int) {
	outcomes = make(map[string]int)
	for _, o := range s.order {
		outcomes[o.Outcome]++
		if strings.Contains(o.Err, "lease is lost") {
			lost++
		}
	}
	return outcomes, lost
}

// Processes that are killed, stopped and frozen while they write lose nothing that
// was acknowledged, and what they see is always in one order.
func TestStorm(t *testing.T) {
	weather(t, database(t), "leasefile", lasting(6, 16), lasting(7*time.Second, 60*time.Second),
		lasting(demand{least: 1, total: 1}, demand{least: 20, total: 3000, losses: 3, kills: 30}))
}

// A demand is what has to have happened for it to have been a storm.
type demand struct {
	least  int // operations completed in each place
	total  int // operations that succeeded
	losses int // operations that failed by loss of the lease
	kills  int
}

// weather is a storm of n places and some time with a lock, after which all has to be
// right, and enough to have happened. Until that is so it goes on, for up to six times as
// long.
func weather(t *testing.T, path, lock string, n int, d time.Duration, want demand) (outcomes map[string]int, lost int) {
	ttl := time.Second
	s := newStorm(t, path, n, ttl, containedIfAllowed(t), "lock", lock, "poll", "50ms")
	s.times = []string{"ttl", s.ttl.String(), "guard", s.guard.String()}
	s.wanted = func() bool { return s.met(want) }
	s.blow(d)
	left := s.inspect()
	for _, problem := range first(append(append(s.troubles, left.problems...), s.settleLedger(left)...), 10) {
		t.Error(problem)
	}
	linearizable(t, s.history(left))
	if text, ok := stock(t, s.path, strings.Join(contentQueries, ";\n")+";"); ok && text != left.text {
		t.Error("sqlite3 reads something else")
	}
	longest := s.closed()
	outcomes, lost = s.tally()
	t.Logf("%d processes in %d places: %v; operations: %v, of them %d by loss of the lease; %d ledger rows; %d times closed, within %v",
		s.launched, n, s.counts, outcomes, lost, len(left.ledger), len(s.closes), longest)
	for i, sl := range s.slots {
		if sl.completed < want.least {
			t.Errorf("place %d completed only %d operations", i, sl.completed)
		}
	}
	if !s.met(want) {
		t.Errorf("that was no storm: want %+v", want)
	}
	return outcomes, lost
}

// met reports whether that has happened.
func (s *storm) met(want demand) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sl := range s.slots {
		if sl.completed < want.least {
			return false
		}
	}
	outcomes, lost := s.tally()
	return outcomes[outcomeOK] >= want.total && lost >= want.losses && s.counts["killed"] >= want.kills
}

// The storm notices a lock that does not lock.
func TestStormBitesBrokenLock(t *testing.T) {
	end := time.Now().Add(20 * time.Second)
	for try := 1; ; try++ {
		s := newStorm(t, database(t), 4, time.Second, host, "lock", "always")
		for _, sl := range s.slots {
			sl.clients, sl.readOnly, sl.provable, sl.lock = alone, false, true, nil
		}
		s.blow(3 * time.Second / 2)
		left := s.inspect()
		damage := append(append(s.troubles, left.problems...), s.settleLedger(left)...)
		if len(damage) > 0 {
			t.Logf("noticed %d times, such as: %s", len(damage), strings.Join(first(damage, 2), "; "))
			return
		}
		if time.Now().After(end) {
			t.Fatalf("nothing was noticed in %d storms", try)
		}
	}
}
