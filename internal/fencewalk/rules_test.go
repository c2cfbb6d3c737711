package fencewalk

import "github.com/holdfastdb/holdfast/locking"

// A scenario bounds a walk, and says what the holders and the storage may do in it.
type scenario struct {
	name    string
	holders int
	begins  int     // transactions that may be begun, at most 3
	journal journal // how journals are finished
	wal     bool    // the database is in WAL mode

	rollback bool // transactions may spill and be rolled back
	readers  bool // levels below EXCLUSIVE are asked for
	anyOrder bool // pages are read in any order
	restart  bool // who lost its lease starts again, as another process
	clean    bool // names that nobody needs are removed
	room     bool // by a copier too, before it begins
	settle   bool // the database may be copied to its plain name, and that name removed
	doubt    bool // operations by path, and swaps, are left in flight by who gave up on them
	twice    bool // what has not been replied to may run again
	deletes  bool // somebody deletes the register
	reopen   bool // a connection may break off, and another of its process takes its place
	segments bool // a transaction spills a page before its journal has a record of the other
	halves   bool // records of a journal land in two parts
	stubborn bool // an operation may run again although its reply came, which no rule helps against
	comeback bool // a process that lost its lease comes back with its caches

	stale bool // holders that can do no more harm are followed all the same

	without rules
}

// A journal says how a rollback journal is finished.
type journal uint8

const (
	unlinked  journal = iota // journal_mode=DELETE
	truncated                // TRUNCATE
	zeroed                   // PERSIST, and locking_mode=EXCLUSIVE whatever the mode
)

// rules are those of the fence that are not in force.
type rules struct {
	Verify          bool // a commit is acknowledged after a fresh register read that shows its holder in
	FinishFirst     bool // that read begins after the journal was finished, which was synced
	Permission      bool // a fresh register read is passed before a journal is finished
	PermissionAfter bool // that read begins after the journal was there
	PermitRollback  bool // it is needed by a rollback too
	PermitRecovery  bool // and by the playing back of a hot journal
	EvictFirst      bool // a holder is evicted before its file is copied
	JournalAfter    bool // the journal is copied after the database
	MarkAgain       bool // the mark is read again after the copy
	MarkIdentity    bool // it tells one journal from the next
	HeaderFirst     bool // the header of a journal is copied before its records
	CopyDurable     bool // the copy is durable before it is published
	NamePerCopier   bool // no two copiers use one name
	NamePerAttempt  bool // nor does one copier in two attempts
	DoubtIsLoss     bool // who is in doubt about an operation never releases as clean
	LostStaysLost   bool // a connection that lost its lease is not used again
	DropCaches      bool // caches are dropped when another may have written, whatever the change counter
	JournalSynced   bool // pages are written only after the journal was synced
	OwnNamesOnly    bool // only names in Old are removed
	RegisterKnown   bool // an unused register beside a marker is refused
	AdoptedIsCopied bool // a file that is adopted is copied before it is used
	IDDrawnAnew     bool // an unused register is given an ID that it never had
	ReservedFenced  bool // eviction from RESERVED is followed by a takeover too
	TakeoverAlone   bool // SHARED is not granted while a takeover is pending
	RemovingNoted   bool // that the plain name is gone counts only from who can know that nobody else removes it
	WALPermission   bool // a WAL counts as synced after a register read
	WALMarkBefore   bool // the salt is read before the database is copied
	WALMarkAfter    bool // and again after the WAL was
	WALCheckpoint   bool // a checkpoint of frames that were found in the WAL begins with a register read
	WALHeaderSynced bool // the header of a WAL is synced before frames are written
	WALSynced       bool // frames are synced before the commit is acknowledged
	StepDownInDoubt bool // who asked to step down, and does not know the outcome, acts as if it had
	EvictedGone     bool // whoever was evicted from the plain name is gone before it is used again
}

// loosen has the real transition forget rules that are not in force, and returns
// what puts back into its outcome what it must not forget.
func (w *walk) loosen(r *locking.Record, req *request) (tighten func(next *locking.Record)) {
	if w.without.ReservedFenced {
		for i := range r.Entries {
			if e := &r.Entries[i]; req.expired&(1<<(seatOf(e.Holder.ID)-1)) != 0 && e.Level < locking.Exclusive {
				e.Level = min(e.Level, locking.Shared)
			}
		}
	}
	if w.without.RemovingNoted && req.removed&(1<<plain) != 0 {
		r.Removing = nil
	}
	if t := r.Takeover; t != nil && w.without.TakeoverAlone && req.level == locking.Shared {
		r.Takeover = nil
		return func(next *locking.Record) { next.Takeover = t }
	}
	return func(*locking.Record) {}
}
