package locking

// A horizon is up to where a process knows what was written to the database. The
// epoch tells it: nobody writes without a grant of a writing level, and each such
// grant makes the epoch grow.
type horizon struct {
	epoch   Epoch
	settled bool // nobody but us could still come to write under that epoch
}

// move notes that the holder went from a level to another, as r shows it, and
// reports whether others may have written while it was out.
func (h *horizon) move(r *Record, id string, from, to Level) (changed bool) {
	own := Epoch(0)
	if to.Writing() && !from.Writing() {
		own = 1 // our own grant is no sign of others
	}
	if to == None || from != None && own == 0 {
		return false
	}
	changed = from == None && (!h.settled || r.Epoch != h.epoch+own)
	h.epoch, h.settled = r.Epoch, true
	for i := range r.Entries {
		if e := &r.Entries[i]; e.Holder.ID != id && e.Level.Writing() {
			// It may begin to write once we are out, with no further grant.
			h.settled = false
		}
	}
	return changed
}
