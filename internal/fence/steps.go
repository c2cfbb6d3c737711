package fence

// A Step is one part of a takeover's copy.
type Step int

// What a copy does. See [Steps] for the order and why it is this one.
const (
	MarkBefore     Step = iota + 1 // look at the journal and the WAL: see [Mark]
	Database                       // copy the database, by reads that may come in any order
	JournalHeaders                 // copy the header of each segment of the rollback journal
	JournalRecords                 // open the journal anew, and copy the records that those headers cover
	WAL                            // copy the WAL; its header has to be that of the mark: see [Mark.Copied]
	MarkAfter                      // look again: see [Mark.Spoilt]
	Durable                        // sync the copies, then the directory
)

// Steps is the order in which [Copy] works. A model of the takeover runs the same
// list against a storage of its own, so that the two cannot drift apart.
//
//   - MarkBefore comes first and MarkAfter last, so that a transaction that ended in
//     between is seen.
//   - Database comes before the journal: a page is changed in the database only when
//     what restores it is in the journal. So what was copied last protects all that was
//     copied first. (The WAL may come at any time between the marks: whatever of it can
//     still reach the database was there before.)
//   - JournalHeaders come before JournalRecords: a header that counts records is
//     written once they are all there. Whoever reads the header first finds them; who
//     reads it last may have looked for them too early.
//   - Durable comes before Copy returns, since the name is published then.
var Steps = [...]Step{MarkBefore, Database, JournalHeaders, JournalRecords, WAL, MarkAfter, Durable}

// String returns what the step does, for errors and logs.
func (s Step) String() string {
	switch s {
	case MarkBefore, MarkAfter:
		return "look at the journal and the WAL"
	case Database:
		return "copy the database"
	case JournalHeaders, JournalRecords:
		return "copy the journal"
	case WAL:
		return "copy the WAL"
	case Durable:
		return "make the copy durable"
	}
	return "unknown step"
}
