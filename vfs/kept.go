package vfs

import (
	"context"
	"fmt"
	"io"

	"github.com/holdfastdb/holdfast/locking"
	sqlitevfs "github.com/ncruces/go-sqlite3/vfs"
)

// A keptJournal is the rollback journal of a database on a lease, open from one
// transaction to the next. Where each operation is a round trip, to create a file for
// each transaction, to make its name durable, and to remove it again, takes longer
// than what the transaction needs; and each reader would open a journal that is there,
// to find that it is empty.
//
// SQLite does not see a difference. What it removes is emptied, and made durable so: a
// removal would not be, unless the directory is synced. What it opens is this file, and
// an empty one, or one whose header is zeros, does not exist as far as it asks. Others,
// stock SQLite among them, take neither for a journal to be played back.
//
// It is closed with the database, before that is opened anew: so it is open only
// while nobody else may write.
//
// https://sqlite.org/lockingv3.html#hot_journals
type keptJournal struct {
	content handle
	named   bool // its name is durable
}

// keepsJournal reports whether s is a rollback journal that is to be kept open.
func (s *sideFile) keepsJournal() bool {
	return s.owner != nil && s.owner.db.leased && !s.owner.readOnly &&
		s.flags&sqlitevfs.OPEN_MAIN_JOURNAL != 0 && s.flags&sqlitevfs.OPEN_EXCLUSIVE == 0
}

// reuse takes the journal that was kept for the one to be opened. It reports whether
// there is one. Somebody may have removed it behind everyone's back.
func (s *sideFile) reuse() bool {
	b := s.body
	b.db.mu.Lock()
	defer b.db.mu.Unlock()
	k := b.kept
	if k == nil {
		return false
	}
	if info, err := k.content.Stat(); err != nil || unlinked(info) {
		b.dropJournal()
		return false
	}
	s.content, s.named, s.kept = k.content, k.named, true
	return true
}

// keep keeps the journal that was opened for the connections that come after. One that
// looks whether there is a hot journal may open it beside one that begins its own: the
// first that is kept serves both.
func (s *sideFile) keep() {
	b := s.body
	b.db.mu.Lock()
	defer b.db.mu.Unlock()
	s.kept = true
	if k := b.kept; k != nil {
		s.content.Close()
		s.content, s.named = k.content, k.named
		return
	}
	b.kept = &keptJournal{s.content, s.named}
}

// keptName is told that the name of the journal is durable.
func (s *sideFile) keptName() {
	b := s.body
	b.db.mu.Lock()
	defer b.db.mu.Unlock()
	if b.kept != nil && b.kept.content == s.content {
		b.kept.named = true
	}
}

// dropJournal closes what was kept. Called with database.mu held.
func (b *body) dropJournal() {
	if b.kept != nil {
		b.kept.content.Close()
		b.kept = nil
	}
}

// emptyJournal does to a kept journal what finishes it as its removal would. It
// reports whether there is one.
func (b *body) emptyJournal() (kept bool, err error) {
	b.db.mu.Lock()
	k := b.kept
	b.db.mu.Unlock()
	if k == nil {
		return false, nil
	}
	if err := k.content.Truncate(0); err != nil {
		return true, err
	}
	if err := k.content.Sync(durable); err != nil {
		return true, fmt.Errorf("%w: %w", errUnsettled, err)
	}
	return true, nil
}

// noteHeader is told that the beginning of a kept journal was written or read. What
// does not begin with a byte other than zero is not played back.
func (s *sideFile) noteHeader(p []byte, off int64, err error) {
	if !s.kept || off != 0 || err != nil && err != io.EOF {
		return
	}
	s.body.note(sides[0], len(p) > 0 && p[0] != 0, nil)
}

// tidy removes what is left of a kept journal when the last connection leaves: an
// empty file, which somebody could take for more than it is. It asks nobody for the
// level that it takes to do so.
func (f *File) tidy() error {
	if !f.db.leased || f.readOnly || f.dead() != nil || !f.db.vfs.isLast(f.db) {
		return nil
	}
	atOnce, cancel := context.WithCancel(context.Background())
	cancel()
	if f.lock.Lock(atOnce, locking.Shared, nil) != nil || f.lock.Lock(atOnce, locking.Reserved, nil) != nil {
		return nil
	}
	return f.doubt(f.db.body.Load().removeEmpty())
}

// removeEmpty removes a kept journal if it is empty.
func (b *body) removeEmpty() error {
	b.db.mu.Lock()
	defer b.db.mu.Unlock()
	k := b.kept
	if k == nil || b.names[sides[0]] {
		return nil
	}
	size, err := k.content.Size()
	b.dropJournal()
	if err != nil || size > 0 {
		return err
	}
	return b.db.vfs.files.remove(b.path + sides[0])
}
