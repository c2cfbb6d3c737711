package fencewalk

import (
	"reflect"
	"testing"
)

// removals are the rules of the fence, each with what breaks without it, and where.
var removals = []struct {
	rule    string
	where   scenario
	without rules
	want    string // kind of the promise that breaks
}{
	{"a commit is verified", deletes, rules{Verify: true}, "lost"},
	{"a journal is finished before the commit is verified", persists, rules{FinishFirst: true}, "lost"},
	{"no journal is finished without permission", deletes, rules{Permission: true}, "torn"},
	{"permission is asked after the journal is there", deletes, rules{PermissionAfter: true}, "torn"},
	{"a rollback needs permission", spills, rules{PermitRollback: true}, "torn"},
	{"playing back a journal needs permission", breaksOff, rules{PermitRecovery: true}, "torn"},
	{"a holder is evicted before its file is copied", deletes, rules{EvictFirst: true}, "torn"},
	{"the journal is copied after the database", deletes, rules{JournalAfter: true}, "torn"},
	{"the mark is read again after the copy", deletes, rules{MarkAgain: true}, "torn"},
	{"the mark tells one journal from the next", spills, rules{MarkIdentity: true}, "torn"},
	{"a journal's header is copied before its records", halves, rules{HeaderFirst: true}, "torn"},
	{"a copy is durable before it is published", deletes, rules{CopyDurable: true}, "torn"},
	{"no two copiers use one name", three, rules{NamePerCopier: true}, "torn"},
	{"no two attempts use one name", spills, rules{NamePerAttempt: true}, "torn"},
	{"who is in doubt does not release as clean", doubts, rules{DoubtIsLoss: true}, "torn"},
	{"a lost connection stays lost", returns, rules{LostStaysLost: true}, "lost"},
	{"caches are dropped whatever the counter", returns, rules{DropCaches: true}, "lost"},
	{"pages are written after the journal was synced", deletes, rules{JournalSynced: true}, "torn"},
	{"WAL: a commit is verified", wal, rules{Verify: true}, "lost"},
	{"WAL: it counts as synced after a register read", wal, rules{WALPermission: true}, "torn"},
	{"WAL: the salt is read before the database", wal, rules{WALMarkBefore: true}, "torn"},
	{"WAL: the salt is read again after the WAL", wal, rules{WALMarkAfter: true}, "lost"},
	{"WAL: frames are synced before the commit", wal, rules{WALSynced: true}, "lost"},
	{"WAL: its header is synced before frames", wal, rules{WALHeaderSynced: true}, "torn"},
	{"WAL: a holder is evicted before its file is copied", wal, rules{EvictFirst: true}, "lost"},
	{"RESERVED is taken over too", reads, rules{ReservedFenced: true}, "torn"},
	{"nobody reads what has to be copied first", reads, rules{TakeoverAlone: true}, "misread"},
	{"whoever was evicted from the plain name is gone before it is used again", settles, rules{EvictedGone: true}, "torn"},
	{"the plain name is not used while somebody may remove it", settles, rules{RemovingNoted: true}, "missing"},
	{"WAL: a checkpoint begins with a register read", walBreaksOff, rules{WALCheckpoint: true}, "torn"},
	{"two segments: the header is copied before the records", segHalves, rules{HeaderFirst: true}, "torn"},
	{"two segments: the journal is copied after the database", segments, rules{JournalAfter: true}, "torn"},
	{"two segments: a rollback needs permission", segments, rules{PermitRollback: true}, "torn"},
	{"only names in Old are removed", cleans, rules{OwnNamesOnly: true}, "missing"},
	{"an unused register beside a marker is refused", loses, rules{RegisterKnown: true}, "torn"},
	{"an unused register gets an ID that it never had", losesIn, rules{IDDrawnAnew: true}, "torn"},
	{"an adopted file is copied first", loses, rules{AdoptedIsCopied: true}, "torn"},
	{"who may have left acts as if it had", doubts, rules{StepDownInDoubt: true}, "torn"},
}

func TestEachRuleIsNeeded(t *testing.T) {
	for _, row := range removals {
		t.Run(row.rule, func(t *testing.T) {
			where := row.where
			where.without = row.without
			expectBroken(t, where, row.want)
		})
	}
}

func TestEveryRuleIsInTheTable(t *testing.T) {
	var all rules
	fields := reflect.ValueOf(&all).Elem()
	for _, row := range removals {
		for i := range fields.NumField() {
			if reflect.ValueOf(row.without).Field(i).Bool() {
				fields.Field(i).SetBool(true)
			}
		}
	}
	for i := range fields.NumField() {
		if !fields.Field(i).Bool() {
			t.Errorf("no row shows what %s is for", fields.Type().Field(i).Name)
		}
	}
}

// What the storage has to keep to, as it has to for every database that is written
// in place: once an operation was replied to, it does not happen again.
func TestRepliedOperationsMustNotRunAgain(t *testing.T) {
	expectBroken(t, scenario{name: "DELETE, replied to and run again", holders: 2, begins: 2, stubborn: true}, "torn")
}
