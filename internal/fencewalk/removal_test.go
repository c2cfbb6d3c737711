package fencewalk

import (
	"testing"
	"time"
)

// Each rule is there because of a counterexample. These are the smallest scenarios
// that have one.
var (
	small    = scenario{name: "DELETE", holders: 2, begins: 2}
	spills   = scenario{name: "DELETE, rollback", holders: 2, begins: 2, rollback: true, anyOrder: true}
	persist  = scenario{name: "PERSIST", holders: 2, begins: 2, journal: zeroed}
	truncate = scenario{name: "TRUNCATE", holders: 2, begins: 2, journal: truncated, rollback: true, anyOrder: true}
	again    = scenario{name: "DELETE, coming back", holders: 2, begins: 3, comeback: true}
	broken_  = scenario{name: "DELETE, breaking off", holders: 2, begins: 2, reopen: true}
	halves   = scenario{name: "DELETE, half records", holders: 2, begins: 2, halves: true}
	doubtful = scenario{name: "DELETE, doubt", holders: 2, begins: 2, doubt: true, restart: true}
	wal      = scenario{name: "WAL", holders: 2, begins: 2, wal: true, anyOrder: true}
	readers  = scenario{name: "DELETE, readers", holders: 2, begins: 2, readers: true}
	readers3 = scenario{name: "DELETE, readers, three holders", holders: 3, begins: 1, readers: true}
	settles  = scenario{name: "DELETE, settle", holders: 2, begins: 2, settle: true, restart: true}
	cleans   = scenario{name: "DELETE, clean up", holders: 2, begins: 1, clean: true}
	deletes  = scenario{name: "DELETE, register deleted", holders: 2, begins: 2, deletes: true}
	twice    = scenario{name: "DELETE, twice", holders: 2, begins: 2, doubt: true, twice: true, restart: true}
	three    = scenario{name: "DELETE, three holders", holders: 3, begins: 2}
)

var removals = []struct {
	rule    string
	where   scenario
	without rules
	want    string // kind of the promise that breaks
}{
	{"a commit is verified", small, rules{Verify: true}, "lost"},
	{"a journal is finished before the commit is verified", persist, rules{FinishFirst: true}, "lost"},
	{"no journal is finished without permission", small, rules{Permission: true}, "torn"},
	{"permission is asked after the journal is there", small, rules{PermissionAfter: true}, "torn"},
	{"a rollback needs permission", spills, rules{PermitRollback: true}, "torn"},
	{"playing back a journal needs permission", broken_, rules{PermitRecovery: true}, "torn"},
	{"a holder is evicted before its file is copied", small, rules{EvictFirst: true}, "torn"},
	{"the journal is copied after the database", small, rules{JournalAfter: true}, "torn"},
	{"the mark is read again after the copy", small, rules{MarkAgain: true}, "torn"},
	{"the mark tells one journal from the next", spills, rules{MarkIdentity: true}, "torn"},
	{"a journal's header is copied before its records", halves, rules{HeaderFirst: true}, "torn"},
	{"a copy is durable before it is published", small, rules{CopyDurable: true}, "torn"},
	{"no two copiers use one name", three, rules{NamePerCopier: true}, "torn"},
	{"no two attempts use one name", spills, rules{NamePerAttempt: true}, "torn"},
	{"who is in doubt does not release as clean", doubtful, rules{DoubtIsLoss: true}, "torn"},
	{"a lost connection stays lost", again, rules{LostStaysLost: true}, "lost"},
	{"caches are dropped whatever the counter", again, rules{DropCaches: true}, "lost"},
	{"pages are written after the journal was synced", small, rules{JournalSynced: true}, "torn"},
	{"WAL: a commit is verified", wal, rules{Verify: true}, "lost"},
	{"WAL: it counts as synced after a register read", wal, rules{WALPermission: true}, "torn"},
	{"WAL: the salt is read before the database", wal, rules{WALMarkBefore: true}, "torn"},
	{"WAL: the salt is read again after the WAL", wal, rules{WALMarkAfter: true}, "lost"},
	{"WAL: frames are synced before the commit", wal, rules{WALSynced: true}, "lost"},
	{"WAL: its header is synced before frames", wal, rules{WALHeaderSynced: true}, "torn"},
	{"WAL: a holder is evicted before its file is copied", wal, rules{EvictFirst: true}, "lost"},
	{"RESERVED is taken over too", readers, rules{ReservedFenced: true}, "torn"},
	{"nobody reads what has to be copied first", readers, rules{TakeoverAlone: true}, "misread"},
	{"whoever was evicted from the plain name is gone before it is used again", settles, rules{EvictedGone: true}, "torn"},
	{"the plain name is not used while somebody may remove it", settles, rules{RemovingNoted: true}, "missing"},
	{"only names in Old are removed", cleans, rules{OwnNamesOnly: true}, "missing"},
	{"an unused register beside a marker is refused", deletes, rules{RegisterKnown: true}, "torn"},
	{"who may have left acts as if it had", doubtful, rules{StepDownInDoubt: true}, "torn"},
}

func TestEachRuleIsNeeded(t *testing.T) {
	for _, row := range removals {
		t.Run(row.rule, func(t *testing.T) {
			start := time.Now()
			w := &walk{scenario: row.where}
			w.without = row.without
			states, bad := w.run()
			w.log(t, states, start)
			if bad == nil {
				t.Fatalf("without it nothing breaks, want %q", row.want)
			}
			t.Log(bad.broken)
			for _, line := range bad.trace {
				t.Log(line)
			}
			if bad.broken.kind != row.want {
				t.Errorf("want %q", row.want)
			}
		})
	}
}
