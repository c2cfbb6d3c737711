package locking

import (
	"slices"
	"time"
)

// maxOld is how many copies that nobody needs a record names. Those that were there
// longest are forgotten first: if they could be removed they would have been.
const maxOld = 32

// A Fencing is how a holder keeps to the fence. The register is the one thing that
// cannot be written late, so it also says which file is the database: a holder that
// expired while it could write goes on writing to a file that is none any more.
//
//	evicted at RESERVED or above   the record gets a Takeover
//	first alone in such a record   is given EXCLUSIVE, and a name for its copy
//	Done                           the copy is the database from now on
//	Spoilt                         the copy gets another name
//	steps down, or is evicted      the copy is given up; the next one begins anew
type Fencing struct {
	Database string   // plain base name of the database
	ID       string   // for the register, if it has none yet
	Nonce    string   // for the name of a copy
	Copied   int64    // bytes that were copied so far, of Total; for people
	Total    int64    // bytes
	Done     string   // the copy of this name is complete and durable
	Spoilt   string   // the copy of this name is worth nothing
	Removed  []string // names that were found or made to be gone
	Settle   bool     // copy the database to its plain name, unless Removing says that it may be removed late
	Force    bool     // settle all the same
}

// settleFence has whoever comes into an empty record say whether it keeps to the
// fence. All others have to agree.
func (r *Record) settleFence(req Request) {
	f := req.Fence
	if !slices.ContainsFunc(r.Entries, func(e Entry) bool { return e.Holder.ID != req.Holder.ID }) {
		r.Fence = f != nil
	}
	if f == nil {
		return
	}
	if r.ID == "" {
		r.ID = f.ID
	}
	if r.Database == "" {
		r.Database = f.Database
	}
}

// takeOver notes that a holder of a writing level expired, or gave up a copy.
func (r *Record) takeOver(from Holder, now time.Time) {
	if r.Takeover == nil {
		r.Takeover = &Takeover{From: from, Since: now}
		return
	}
	r.dropCopy(from)
}

// dropCopy gives up the copy that by was making. A copy to the plain name may go on
// late, so that name is not free.
func (r *Record) dropCopy(by Holder) {
	t := r.Takeover
	if t.By != by.ID {
		return
	}
	if t.To == r.Database {
		r.removing(by)
	} else {
		r.Old = append(r.Old, t.To)
	}
	*t = Takeover{From: t.From, Since: t.Since}
}

// removing notes that a holder may be at work on the plain name, unless another
// one is already, which will not be heard of again.
func (r *Record) removing(by Holder) {
	if r.Removing == nil {
		r.Removing = &by
	}
}

// leaveRemoving: a holder that gives up EXCLUSIVE before it said that the plain name
// is gone leaves that to others, and none of them can know when all are done. So
// nobody says it any more.
func (r *Record) leaveRemoving(id string) {
	if r.Removing != nil && r.Removing.ID == id {
		left := *r.Removing
		left.ID = ""
		r.Removing = &left
	}
}

// fence brings the takeover in line with the level that the holder has now.
func (r *Record) fence(req Request, level Level) {
	f, t := req.Fence, r.Takeover
	if f == nil {
		if level == Exclusive {
			r.Takeover = nil
		}
		return
	}
	r.settleRemoving(f.Removed, req.Holder.ID)
	switch {
	case level != Exclusive:
		if t != nil {
			r.dropCopy(req.Holder)
		}
		r.leaveRemoving(req.Holder.ID)
	case t == nil && f.Settle && r.File != "" && (r.Removing == nil || f.Force):
		r.Takeover = &Takeover{From: req.Holder, Since: req.Now, By: req.Holder.ID, To: r.Database}
		r.Removing = nil
	case t == nil:
	case t.By != req.Holder.ID:
		t.By, t.To = req.Holder.ID, FileName(r.Database, r.Epoch, f.Nonce)
	case t.To == f.Done:
		r.publish(req.Holder)
	case t.To == f.Spoilt && t.To == r.Database:
		r.Takeover = nil // nothing was wrong with the file
	case t.To == f.Spoilt:
		r.Old = append(r.Old, t.To)
		t.To, t.Copied = FileName(r.Database, r.Epoch, f.Nonce), 0
	default:
		t.Copied, t.Total = f.Copied, f.Total
	}
	r.forget(f.Removed)
}

// publish makes the copy the database.
func (r *Record) publish(by Holder) {
	if r.File == "" {
		r.removing(by)
	} else {
		r.Old = append(r.Old, r.File)
	}
	r.File = r.Takeover.To
	if r.File == r.Database {
		r.File = ""
	}
	r.Takeover = nil
}

// settleRemoving takes note that the plain name is gone, if it is. That counts only
// from who said that it would remove it: what another one began may still happen.
func (r *Record) settleRemoving(names []string, id string) {
	if r.Removing != nil && r.Removing.ID == id && slices.Contains(names, r.Database) {
		r.Removing = nil
	}
}

// forget takes the names out that are gone, and those that are too many. It comes last
// in a step, since a copy that is given up may be gone already.
func (r *Record) forget(names []string) {
	r.Old = slices.DeleteFunc(r.Old, func(old string) bool { return slices.Contains(names, old) })
	r.Old = r.Old[max(0, len(r.Old)-maxOld):]
}
