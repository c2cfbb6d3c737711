package locking

import (
	"slices"
	"time"
)

// RecordFormat is the version of the record's form that this package writes and reads.
const RecordFormat = 1

// A Record is all that a [Register] stores: who holds which level, who waits,
// the epoch, and which file is the database. Its transitions are one pure function,
// [Record.Step].
type Record struct {
	Format   int       `json:"holdfast"`           // RecordFormat
	Serial   uint64    `json:"serial"`             // grows with every write, so that no two values are alike
	Epoch    Epoch     `json:"epoch"`              // grows with every grant of a writing level
	ID       string    `json:"id,omitempty"`       // of the register, random; drawn by who used it first
	Database string    `json:"database,omitempty"` // plain base name of the database, once it was fenced
	Fence    bool      `json:"fence"`              // whoever is in keeps to the fence
	File     string    `json:"file"`               // base name of the file that is the database now; "" is the plain name
	Takeover *Takeover `json:"takeover,omitempty"` // File cannot be used before it was copied; nil if it can
	Old      []string  `json:"old,omitempty"`      // copies that nobody needs any more and that may still be there
	Removing *Holder   `json:"removing,omitempty"` // whoever set out to remove the plain name, and has not said that it is done
	Entries  []Entry   `json:"entries"`            // who is in; those who wait stand in order of arrival
}

// An Entry is one process in a [Record].
type Entry struct {
	Holder  Holder    `json:"holder"`
	Level   Level     `json:"level"`   // what it holds
	Wants   Level     `json:"wants"`   // what it waits for; NONE if it does not wait
	Beat    uint64    `json:"beat"`    // serial of this holder's latest write: its heartbeat
	TTL     int64     `json:"ttl_ms"`  // how long it stays if Beat stands still, in milliseconds
	Since   time.Time `json:"since"`   // when Level or Wants last changed, by the holder's clock; for people
	Renewed time.Time `json:"renewed"` // when Beat last grew, by the holder's clock; for people
}

// Waits reports whether the entry stands in the queue.
func (e *Entry) Waits() bool { return e.Wants > e.Level }

// Find returns the entry of the holder with that ID, or nil.
func (r *Record) Find(id string) *Entry {
	if i := r.index(id); i >= 0 {
		return &r.Entries[i]
	}
	return nil
}

// writes reports whether somebody other than that holder is at RESERVED or above.
func (r *Record) writes(id string) bool {
	return slices.ContainsFunc(r.Entries, func(e Entry) bool { return e.Holder.ID != id && e.Level.Writing() })
}

func (r *Record) index(id string) int {
	return slices.IndexFunc(r.Entries, func(e Entry) bool { return e.Holder.ID == id })
}

// clone returns a copy that shares nothing that Step changes.
func (r *Record) clone() Record {
	next := *r
	next.Entries = slices.Clone(r.Entries)
	next.Old = slices.Clone(r.Old)
	if r.Takeover != nil {
		t := *r.Takeover
		next.Takeover = &t
	}
	return next
}
