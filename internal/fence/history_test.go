package fence

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

const pages = "PRAGMA page_size=512; PRAGMA auto_vacuum=full; PRAGMA cache_size=4; PRAGMA cache_spill=2; PRAGMA synchronous=FULL; PRAGMA temp_store=memory;"

// Rows are mostly zeros, so that the checksum of a journal's record, which looks at
// one byte of 200, misses most of what is wrong.
const table = `
	CREATE TABLE t(id INTEGER PRIMARY KEY, v BLOB);
	WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<12)
	INSERT INTO t SELECT i, zeroblob(150)||char(64+i)||zeroblob(150)||char(96+i) FROM n;`

const (
	change   = `UPDATE t SET v=zeroblob(90)||'b'||zeroblob(200)||id WHERE id%2;`
	spill    = `BEGIN; UPDATE t SET v=zeroblob(140)||'c'||zeroblob(150)||id; INSERT INTO t SELECT id+100, v FROM t; UPDATE t SET v=v||'d' WHERE id<105; COMMIT;`
	rollback = `BEGIN; UPDATE t SET v=zeroblob(130)||'e'||zeroblob(160)||id; INSERT INTO t SELECT id+200, v FROM t; ROLLBACK;`
	shrink   = `BEGIN; DELETE FROM t WHERE id>6; UPDATE t SET v=zeroblob(80)||'f'||zeroblob(210)||id; COMMIT;`
	small    = `UPDATE t SET v=zeroblob(155)||'g'||zeroblob(140) WHERE id IN (3, 9);`
	smaller  = `UPDATE t SET v=zeroblob(155)||'h'||zeroblob(140) WHERE id IN (3, 9);`
)

// Histories in each journal mode. The short ones are walked through completely.
var histories = []struct {
	name    string
	locking string
	pragmas string
}{
	{name: "delete", pragmas: "PRAGMA journal_mode=delete;"},
	{name: "truncate", pragmas: "PRAGMA journal_mode=truncate;"},
	{name: "persist", pragmas: "PRAGMA journal_mode=persist;"},
	{name: "exclusive", locking: "PRAGMA locking_mode=exclusive;", pragmas: "PRAGMA journal_mode=delete;"},
	{name: "wal", locking: "PRAGMA locking_mode=exclusive;", pragmas: "PRAGMA journal_mode=wal; PRAGMA wal_autocheckpoint=0;"},
}

var (
	short    = []string{small, smaller}
	long     = []string{change, spill, rollback, small, shrink, spill, change}
	shortWAL = []string{small, "PRAGMA wal_checkpoint", smaller, "PRAGMA wal_checkpoint(truncate)"}
	longWAL  = []string{change, spill, "PRAGMA wal_checkpoint", rollback, small, shrink, "PRAGMA wal_checkpoint(truncate)", change, spill}
)

func recordMode(t testing.TB, mode string, scripts, walScripts []string) *history {
	t.Helper()
	for _, h := range histories {
		if h.name != mode {
			continue
		}
		if mode == "wal" {
			scripts = walScripts
		}
		return record(t, h.locking+pages+h.pragmas, table, scripts...)
	}
	t.Fatalf("no journal mode %q", mode)
	return nil
}

// finish reports whether an operation ends a rollback journal.
func (o op) finishes() bool {
	if o.name != "app.db-journal" {
		return false
	}
	return o.kind == remove || o.kind == truncate && o.off == 0 ||
		o.kind == write && o.off == 0 && o.data == strings.Repeat("\x00", headerSize)
}

// limit returns how far a holder can get that keeps to the rules under [Mark], if it
// lost its epoch after so many operations. Its reads of the register begin as early
// as the rules allow.
func (h *history) limit(lost int) int {
	asked := -1 // when the journal that is there now was first synced
	begun := false
	for i, o := range h.ops {
		switch {
		case h.wal && i >= lost && o.kind == syncFile && o.name == "app.db-wal":
			return i + 1
		case o.kind == syncFile && o.name == "app.db-journal" && asked < 0 && begun:
			asked = i
		case o.finishes():
			if i >= lost && (asked < 0 || asked >= lost) {
				return i
			}
			asked, begun = -1, false // a sync of the end is none of the next beginning
		case o.kind == write && o.name == "app.db-journal":
			begun = true
		}
	}
	return len(h.ops)
}

// acceptable returns the contents that a copy may have, if the holder lost its epoch
// after so many operations and did so many altogether.
func (h *history) acceptable(lost, done int) []string {
	least, most, begin := 0, 0, 0
	for _, end := range h.ends {
		if end <= lost {
			least++
		}
		if h.wal && begin < done {
			most++
		}
		begin = end
	}
	for _, o := range h.ops[:done] {
		if o.finishes() {
			most++
		}
	}
	last := len(h.states) - 1
	return h.states[min(least, last) : min(most, last)+1]
}

// images returns the disk after each operation.
func (h *history) images() []disk {
	now := maps.Clone(h.start)
	all := []disk{maps.Clone(now)}
	for _, o := range h.ops {
		now.apply(o)
		all = append(all, maps.Clone(now))
	}
	return all
}

// The histories are what the adversary takes them for.
func TestHistories(t *testing.T) {
	for _, m := range histories {
		t.Run(m.name, func(t *testing.T) {
			for _, scripts := range [][2][]string{{short, shortWAL}, {long, longWAL}} {
				h := recordMode(t, m.name, scripts[0], scripts[1])
				if got, want := h.wal, m.name == "wal"; got != want {
					t.Fatalf("database in WAL mode: %v, want %v", got, want)
				}
				finished := 0
				for _, o := range h.ops[:h.ends[len(h.ends)-1]] { // closing removes a journal that was kept
					if o.finishes() {
						finished++
					}
				}
				if want := len(h.states) - 1; !h.wal && finished != want {
					t.Errorf("%d journals ended in %d transactions", finished, want)
				}
				for _, s := range h.states {
					if !strings.HasSuffix(s, "|ok") {
						t.Errorf("not a whole database: %s", s)
					}
				}
				for i, image := range h.images() {
					if i%(2*slow) > 0 && !thorough {
						continue
					}
					got := recovered(t, image, "app.db")
					if !slices.Contains(h.acceptable(i, i), got) {
						t.Fatalf("SQLite recovers the disk after operation %d to a state that was not committed then", i)
					}
				}
				t.Logf("%d operations", len(h.ops))
			}
		})
	}
}
