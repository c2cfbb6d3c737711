package fencewalk

import (
	"os"
	"slices"
	"testing"
	"time"
)

// The smallest scenarios that show what a rule is for. With all rules in force nothing
// breaks in them.
var (
	deletes      = scenario{name: "DELETE", holders: 2, begins: 2}
	spills       = scenario{name: "DELETE, rollback", holders: 2, begins: 2, rollback: true, anyOrder: true}
	persists     = scenario{name: "PERSIST", holders: 2, begins: 2, journal: zeroed}
	truncates    = scenario{name: "TRUNCATE", holders: 2, begins: 2, journal: truncated, rollback: true, anyOrder: true}
	breaksOff    = scenario{name: "DELETE, breaking off", holders: 2, begins: 2, reopen: true}
	halves       = scenario{name: "DELETE, half records", holders: 2, begins: 2, halves: true}
	segments     = scenario{name: "DELETE, two segments", holders: 2, begins: 2, segments: true, rollback: true, anyOrder: true}
	segHalves    = scenario{name: "TRUNCATE, two segments, half records", holders: 2, begins: 2, journal: truncated, segments: true, halves: true, anyOrder: true}
	three        = scenario{name: "DELETE, three holders", holders: 3, begins: 2}
	reads        = scenario{name: "DELETE, readers", holders: 2, begins: 2, readers: true}
	doubts       = scenario{name: "DELETE, doubt", holders: 2, begins: 2, doubt: true, restart: true}
	cleans       = scenario{name: "DELETE, clean up", holders: 2, begins: 1, clean: true}
	makesRoom    = scenario{name: "DELETE, clean up before a copy", holders: 2, begins: 1, clean: true, room: true, settle: true}
	settles      = scenario{name: "DELETE, settle", holders: 2, begins: 2, settle: true, restart: true}
	loses        = scenario{name: "DELETE, register deleted", holders: 2, begins: 2, deletes: true}
	losesIn      = scenario{name: "DELETE, register deleted, doubt", holders: 3, begins: 2, deletes: true, doubt: true}
	wal          = scenario{name: "WAL", holders: 2, begins: 2, wal: true, anyOrder: true}
	walBreaksOff = scenario{name: "WAL, breaking off", holders: 2, begins: 2, wal: true, reopen: true}

	// Two histories with the same change counter take three transactions.
	returns = scenario{name: "DELETE, coming back", holders: 2, begins: 3, comeback: true}
)

// shortest is walked through with -short, and in every run of the tests.
var shortest = []scenario{
	deletes, spills, persists, truncates, breaksOff, halves, segments, segHalves, three, reads, doubts, cleans, makesRoom, settles, loses, wal, walBreaksOff,
}

// usual is walked through without -short.
var usual = []scenario{
	{name: "two holders, DELETE", holders: 2, begins: 2, rollback: true, anyOrder: true, restart: true, reopen: true},
	{name: "two holders, TRUNCATE", holders: 2, begins: 2, journal: truncated, rollback: true, anyOrder: true, restart: true, reopen: true},
	{name: "two holders, PERSIST", holders: 2, begins: 2, journal: zeroed, rollback: true, anyOrder: true, restart: true, reopen: true},
	{name: "three holders, DELETE", holders: 3, begins: 2, rollback: true, anyOrder: true, restart: true},
	{name: "three holders, readers", holders: 3, begins: 2, readers: true, restart: true},
	{name: "two holders, readers, doubt", holders: 2, begins: 2, readers: true, restart: true, doubt: true},
	{name: "three holders, clean up", holders: 3, begins: 1, clean: true, restart: true},
	{name: "three holders, clean up before a copy", holders: 3, begins: 1, clean: true, room: true},
	{name: "three holders, settle", holders: 3, begins: 1, settle: true, room: true, restart: true},
	{name: "three holders, WAL", holders: 3, begins: 2, wal: true, rollback: true, anyOrder: true, restart: true},
	{name: "two holders, DELETE, twice", holders: 2, begins: 2, doubt: true, twice: true, restart: true},
	{name: "two holders, WAL, twice", holders: 2, begins: 2, wal: true, doubt: true, twice: true, restart: true},
}

// long is walked through with HOLDFAST_REAL=1.
var long = []scenario{
	returns, losesIn,
	{name: "all followed, DELETE", holders: 2, begins: 2, rollback: true, anyOrder: true, restart: true, reopen: true, stale: true},
	{name: "all followed, WAL", holders: 2, begins: 2, wal: true, rollback: true, anyOrder: true, restart: true, reopen: true, stale: true},
	{name: "all followed, three holders", holders: 3, begins: 2, rollback: true, stale: true},
	{name: "all followed, readers", holders: 2, begins: 2, readers: true, rollback: true, restart: true, reopen: true, stale: true},
	{name: "all followed, settle", holders: 2, begins: 2, settle: true, stale: true},
	{name: "all followed, clean up", holders: 2, begins: 1, clean: true, room: true, restart: true, stale: true},
	{name: "three transactions, DELETE", holders: 2, begins: 3, rollback: true, anyOrder: true, restart: true, reopen: true},
	{name: "three transactions, PERSIST", holders: 2, begins: 3, journal: zeroed, rollback: true, anyOrder: true, restart: true, reopen: true},
	{name: "three transactions, WAL", holders: 2, begins: 3, wal: true, rollback: true, anyOrder: true, restart: true, reopen: true},
	{name: "two holders, WAL, breaking off, twice", holders: 2, begins: 2, wal: true, rollback: true, restart: true, reopen: true, doubt: true, twice: true},
	{name: "two segments", holders: 3, begins: 2, journal: truncated, segments: true, halves: true, rollback: true, anyOrder: true, restart: true, reopen: true},
	{name: "three holders, readers, doubt", holders: 3, begins: 2, readers: true, rollback: true, restart: true, reopen: true, doubt: true},
	{name: "three holders, settle, doubt", holders: 3, begins: 2, settle: true, restart: true, doubt: true},
	{name: "three holders, clean up before a copy, restart", holders: 3, begins: 1, clean: true, room: true, restart: true},
	{name: "three holders, clean up, doubt", holders: 3, begins: 1, clean: true, restart: true, doubt: true},
	{name: "three holders, TRUNCATE, twice", holders: 3, begins: 2, journal: truncated, rollback: true, restart: true, doubt: true, twice: true},
	{name: "three holders, register deleted", holders: 3, begins: 2, deletes: true, restart: true, doubt: true},
}

func TestWalk(t *testing.T) {
	scenarios := slices.Clone(shortest)
	if !testing.Short() {
		scenarios = append(scenarios, usual...)
	}
	if os.Getenv("HOLDFAST_REAL") == "1" {
		scenarios = append(scenarios, long...)
	}
	var total walk
	start, states, ran := time.Now(), 0, 0
	for _, sc := range scenarios {
		t.Run(sc.name, func(t *testing.T) {
			w := expectSound(t, sc)
			total.moves += w.moves
			total.stood |= w.stood
			states += w.states
			ran++
		})
	}
	t.Logf("all: %d states, %d moves in %v", states, total.moves, time.Since(start).Round(time.Millisecond))
	if ran == len(scenarios) && len(total.missed()) > 0 {
		t.Errorf("no program ever stood at %v: the walk does not go where it should", total.missed())
	}
}

// missed returns where no program stood.
func (w *walk) missed() (at []uint8) {
	for pc := range uint8(pcs) {
		if w.stood&(1<<pc) == 0 {
			at = append(at, pc)
		}
	}
	return at
}

func expectSound(t *testing.T, sc scenario) *walk {
	t.Helper()
	w := &walk{scenario: sc}
	if bad := w.runLogged(t); bad != nil {
		bad.log(t)
		t.Error(bad.broken)
	}
	return w
}

func expectBroken(t *testing.T, sc scenario, want string) {
	t.Helper()
	w := &walk{scenario: sc}
	bad := w.runLogged(t)
	if bad == nil {
		t.Fatalf("nothing breaks, want %q", want)
	}
	bad.log(t)
	if bad.broken.kind != want {
		t.Errorf("%q breaks, want %q", bad.broken.kind, want)
	}
}

func (w *walk) runLogged(t *testing.T) *counterexample {
	t.Helper()
	start := time.Now()
	bad := w.run()
	t.Logf("%s: %d states, %d moves in %v", w.name, w.states, w.moves, time.Since(start).Round(time.Millisecond))
	return bad
}

func (c *counterexample) log(t *testing.T) {
	t.Helper()
	t.Log(c.broken)
	for i, line := range c.trace {
		t.Logf("%2d. %s", i+1, line)
	}
}
