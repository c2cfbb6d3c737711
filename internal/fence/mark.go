package fence

// A Trace is what identifies a journal or a WAL at one moment. Its size is no part
// of that, since both grow. The zero value is a file that is not there.
type Trace struct {
	There  bool
	File   int      // which file it is, by a number that is the same for the same file; 0 where that cannot be told
	Header [32]byte // how it begins: 28 bytes of a journal, 32 of a WAL, zeros where it is shorter
}

// A Mark is what a copier sees beside a database, by fresh reads, before it copies
// and again afterwards.
//
// It relies on what a holder does that keeps to the fence:
//
//   - A rollback journal is finished (unlinked, truncated, its header overwritten) only
//     after the register was read anew, in a read that began after the beginning of
//     that journal was synced. (The sync that follows the end of the one before, in
//     the same file, is not that.)
//   - A WAL counts as synced, so that a page of it may be written to the database, only
//     after such a read.
//   - The records of a journal are synced before a header counts them, as SQLite does
//     with synchronous=FULL. With NORMAL both go out together, and with OFF the header
//     counts whatever follows: then a record that has landed by half may be played back.
//
// So a holder that has lost its epoch can finish the one journal that was there
// before, and none that it begins later; it can write back and give up the WAL that
// was there before, and nothing of another one.
type Mark struct {
	Journal Trace // -journal
	WAL     Trace // -wal
}

// Spoilt reports whether something happened between two marks that makes a copy
// worthless that was made between them.
//
// Without a journal before, the database was as a commit had left it, and whatever
// journal came later can only be followed by a copy of it: it is still there. A
// journal that was there before must be there unchanged. If it is not, pages may
// have been copied from the middle of its transaction, and it is gone. An empty
// journal, or one whose header is zeros, is a journal too: between transactions some
// journal modes leave one, and from here it cannot be told from one just begun.
//
// A WAL is given up after all of it was written to the database. Pages may have been
// copied from before that and from after it, so it must be there unchanged, or
// not there both times.
func (before Mark) Spoilt(after Mark) bool {
	return before.Journal.There && after.Journal != before.Journal || after.WAL != before.WAL
}

// Copied reports whether a WAL that was copied after the mark was taken is the one
// of the mark. wal is the header of the copy, or zero if there was none to copy.
func (before Mark) Copied(wal [32]byte) bool { return wal == before.WAL.Header }
