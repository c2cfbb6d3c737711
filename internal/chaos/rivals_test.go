//go:build linux

package chaos

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfastdb/holdfast/locking"
)

// rivalSettings are what a rival is started with.
type rivalSettings struct {
	DSN  string
	Name string
}

// A row is what a rival says of each that it tried to write.
type row struct {
	N   int
	At  int64 // when it was acknowledged
	Err string
}

// rival writes rows, one in each transaction, as fast as it can, until its input ends.
func rival() error {
	var s rivalSettings
	if err := settings(&s); err != nil {
		return err
	}
	db, err := sql.Open("holdfast", s.DSN)
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	var ended atomic.Bool
	go func() {
		io.Copy(io.Discard, os.Stdin)
		ended.Store(true)
	}()
	for n := 0; !ended.Load(); n++ {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		_, err := db.ExecContext(ctx, `INSERT INTO t VALUES (?, ?, randomblob(200))`, s.Name, n)
		cancel()
		r := row{N: n, At: monotonic()}
		if err != nil {
			r.Err = err.Error()
		}
		say(r)
	}
	return db.Close()
}

// A rivalry is what came of two processes that wrote to one database.
type rivalry struct {
	acknowledged [2]int
	turns        int      // how often it went from one to the other
	damage       []string // what is wrong with the result
	failures     []string // of statements
}

func (r *rivalry) String() string {
	return fmt.Sprintf("%d and %d rows acknowledged in %d turns, %d failures", r.acknowledged[0], r.acknowledged[1], r.turns, len(r.failures))
}

var names = [2]string{"one", "two"}

// compete has two processes write for a while, and where the machine is slow for a minute
// longer until enough has happened, unless that is nil. The path is in the dsn.
func compete(t *testing.T, dsn string, d time.Duration, enough func(*rivalry) bool, wraps [2]wrap) *rivalry {
	t.Helper()
	a := startAgent(t, dsn)
	a.exec(`CREATE TABLE t (name TEXT, n INTEGER, b BLOB)`)
	a.exec(`CREATE INDEX byname ON t (name, n)`)
	a.must("close", "")
	a.end()

	var r rivalry
	var mu sync.Mutex
	var told [2][]row // guarded by mu
	var ps [2]*process
	var heard sync.WaitGroup
	for i := range ps {
		p := start(t, "rival", rivalSettings{DSN: dsn, Name: names[i]}, wraps[i])
		ps[i] = p
		heard.Go(func() { // nobody may have to wait until the other was listened to
			for w := (row{}); p.next(&w); w = (row{}) {
				mu.Lock()
				told[i] = append(told[i], w)
				mu.Unlock()
			}
		})
	}
	happened := func() bool {
		mu.Lock()
		defer mu.Unlock()
		r.count(told)
		return enough(&r)
	}
	time.Sleep(d)
	for longest := time.Now().Add(time.Minute); enough != nil && !happened() && time.Now().Before(longest); {
		time.Sleep(50 * time.Millisecond)
	}
	for _, p := range ps {
		p.in.Close()
	}
	heard.Wait()
	for _, p := range ps {
		if state := p.ended(patience); !state.Success() {
			r.failures = append(r.failures, fmt.Sprintf("%s: %v: %s", p, state, p.stderr))
		}
	}
	r.check(t, dsn, told)
	return &r
}

// count counts what was acknowledged, and the turns of that.
func (r *rivalry) count(told [2][]row) {
	type at struct {
		who  int
		when int64
	}
	var order []at
	r.acknowledged, r.turns = [2]int{}, 0
	for i, rows := range told {
		for _, w := range rows {
			if w.Err == "" {
				r.acknowledged[i]++
				order = append(order, at{i, w.At})
			}
		}
	}
	sort.Slice(order, func(i, j int) bool { return order[i].when < order[j].when })
	for i := 1; i < len(order); i++ {
		if order[i].who != order[i-1].who {
			r.turns++
		}
	}
}

// check compares what was acknowledged with what is there.
func (r *rivalry) check(t *testing.T, dsn string, told [2][]row) {
	t.Helper()
	r.count(told)
	there, trouble := present(t, dsn)
	r.damage = append(r.damage, trouble...)
	for i, rows := range told {
		for _, w := range rows {
			key := fmt.Sprint(names[i], " ", w.N)
			found := there[key]
			delete(there, key)
			if w.Err != "" {
				r.failures = append(r.failures, key+": "+w.Err)
			}
			if w.Err == "" && found == 0 {
				r.damage = append(r.damage, key+" was acknowledged and is lost")
			}
			if found > 1 {
				r.damage = append(r.damage, fmt.Sprint(key, " is there ", found, " times"))
			}
		}
	}
	for key := range there {
		r.damage = append(r.damage, key+" is there and was never tried")
	}
}

// present returns how often each row is there, and what is wrong with the database.
func present(t *testing.T, dsn string) (there map[string]int, trouble []string) {
	t.Helper()
	a := startAgent(t, dsn)
	defer a.end()
	there = make(map[string]int)
	rows := a.do(request{Do: "query", SQL: `SELECT name || ' ' || n FROM t NOT INDEXED`})
	if rows.Err != "" {
		trouble = append(trouble, rows.Err)
	}
	for _, row := range rows.Rows {
		there[row[0]]++
	}
	check := a.do(request{Do: "query", SQL: `PRAGMA integrity_check`})
	if check.Err != "" {
		trouble = append(trouble, check.Err)
	} else if text := fmt.Sprint(check.Rows); text != "[[ok]]" {
		trouble = append(trouble, "integrity_check: "+text)
	}
	return there, trouble
}

// inTurns reports for a rivalry whether both got on, and took so many turns at least.
func inTurns(n int) func(*rivalry) bool {
	return func(r *rivalry) bool { return min(r.acknowledged[0], r.acknowledged[1]) >= 10 && r.turns >= n }
}

// fair fails the test if anything was lost, failed, or kept from its turn.
func (r *rivalry) fair(t *testing.T, path string, turns int) {
	t.Helper()
	for _, d := range first(append(r.damage, r.failures...), 10) {
		t.Error(d)
	}
	if !inTurns(turns)(r) {
		t.Errorf("%v: want both to get on, and %d turns", r, turns)
	}
	if text, ok := stock(t, path, "PRAGMA integrity_check; SELECT count(*) FROM t;"); ok {
		if want := fmt.Sprintf("ok\n%d\n", r.acknowledged[0]+r.acknowledged[1]); text != want {
			t.Errorf("sqlite3 says %q, want %q", text, want)
		}
	}
	t.Log(r)
}

func first(all []string, n int) []string { return all[:min(n, len(all))] }

// Two containers write to one file.
func TestTwoNamespacesLoseNothing(t *testing.T) {
	t.Parallel()
	path := database(t)
	d := lasting(5*time.Second, 30*time.Second)
	w := contained(t)
	turns := int(d / time.Second)
	r := compete(t, leased(path), d, inTurns(turns), [2]wrap{w, w})
	r.fair(t, path, turns)
}

// The same between processes that see each other.
func TestTwoProcessesLoseNothing(t *testing.T) {
	t.Parallel()
	path := database(t)
	r := compete(t, leased(path), 2*time.Second, inTurns(2), [2]wrap{host, host})
	r.fair(t, path, 2)
}

// The tests above would notice a lock that does not lock.
func TestBrokenLocksLoseRows(t *testing.T) {
	for _, tt := range []struct {
		name, lock string
		wrap       func(testing.TB) wrap
		damage     bool
	}{
		{"a lock that always grants", "always", onHost, true},
		{"a lock by pid, in two namespaces", "pidfile", contained, true},
		// It is the namespaces that break this one: otherwise it works.
		{"a lock by pid, in one namespace", "pidfile", onHost, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := tt.wrap(t)
			var enough func(*rivalry) bool
			if !tt.damage {
				enough = inTurns(0)
			}
			end := time.Now().Add(20 * time.Second)
			for try := 1; ; try++ {
				path := database(t)
				r := compete(t, dsn(path, "lock", tt.lock, "_pragma", "busy_timeout(20000)"), time.Second, enough, [2]wrap{w, w})
				t.Logf("%v; damage: %d", r, len(r.damage))
				switch {
				case !tt.damage:
					r.fair(t, path, 0)
					return
				case len(r.damage) > 0:
					t.Logf("noticed: %s", strings.Join(first(r.damage, 3), "; "))
					return
				case time.Now().After(end):
					t.Fatalf("no damage in %d runs: the test does not bite", try)
				}
			}
		})
	}
}

// Two processes share a database in WAL mode by turns: one has it all to itself,
// and gives it up when the other asks.
func TestTwoWALProcessesAlternate(t *testing.T) {
	t.Parallel()
	path := database(t)
	d := lasting(3*time.Second, 10*time.Second)
	turns := int(d / time.Second)
	stop, watched := make(chan struct{}), make(chan int)
	go func() { watched <- watchAlone(t, path, stop) }()
	r := compete(t, leased(path, "_pragma", "journal_mode(wal)"), d, inTurns(turns), [2]wrap{host, containedIfAllowed(t)})
	close(stop)
	looks := <-watched
	r.fair(t, path, turns)
	if looks < 100 {
		t.Errorf("the register was seen in use only %d times", looks)
	}
	a := startAgent(t, leased(path))
	if mode := a.value(`PRAGMA journal_mode`); mode != "wal" {
		t.Errorf("journal mode is %s", mode)
	}
}

// watchAlone looks at the register until stop is closed, and fails the test if it
// ever shows two holders. It returns how often it showed one at EXCLUSIVE.
func watchAlone(t *testing.T, path string, stop <-chan struct{}) (looks int) {
	for {
		select {
		case <-stop:
			return looks
		case <-time.After(5 * time.Millisecond):
		}
		r, err := readRecord(path)
		if err != nil {
			t.Error(err)
			return looks
		}
		holders := 0
		for i := range r.Entries {
			switch r.Entries[i].Level {
			case locking.Exclusive:
				looks++
				holders++
			case locking.None:
			default:
				holders++
			}
		}
		if holders > 1 {
			t.Errorf("%d processes hold a database in WAL mode: %+v", holders, r.Entries)
		}
	}
}
