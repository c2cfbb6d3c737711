package fencewalk

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/holdfastdb/holdfast/locking"
)

// A register is the [locking.Record] of a state, in few bytes. Names are numbers,
// and a holder's ID is that of its seat: a seat starts again, as the next process
// would under another ID, only once nothing speaks of its former self.
type register struct {
	used     uint8 // original, another, or 0: it was never used
	file     uint8
	taken    uint8 // 1: there is a Takeover
	by, to   uint8 // by is a seat's number from 1
	old      uint8 // a bit for each name
	removing uint8 // a seat's number from 1, or ghost
	entries  [maxSeats]entry
}

// An entry belongs to seat who-1. Unused ones are zero.
type entry struct{ who, level, wants uint8 }

func (r *register) find(i int) *entry {
	for k := range r.entries {
		if int(r.entries[k].who) == i+1 {
			return &r.entries[k]
		}
	}
	return nil
}

// others returns the seats that are in, a bit each, without seat i.
func (r *register) others(i int) (set uint8) {
	for _, e := range r.entries {
		if e.who != 0 && int(e.who) != i+1 {
			set |= 1 << (e.who - 1)
		}
	}
	return set
}

// A request is what a seat asks of the record.
type request struct {
	level   locking.Level
	expired uint8 // seats, a bit each
	nonce   uint8 // for the name of a copy
	done    uint8 // a name's number from 1
	spoilt  uint8 // likewise
	removed uint8 // names, a bit each
	settle  bool
	first   bool // nobody used the register before
}

// What the ID of a register is. Each who may be the first to use it draws another.
const (
	original = 1 + iota
	another
)

var registerIDs = [...]string{original: "original", another: "another"}

type stepKey struct {
	reg register
	who uint8
	req request
}

type stepResult struct {
	reg     register
	level   locking.Level
	granted bool
}

const database = "app.db"

func nameOf(n uint8) string {
	if n == plain {
		return database
	}
	return locking.FileName(database, 1, fmt.Sprintf("%08x", n))
}

func nameNumber(name string) uint8 {
	if name == "" || name == database {
		return plain
	}
	n, err := strconv.ParseUint(name[len(name)-8:], 16, 8)
	if err != nil {
		panic(err)
	}
	return uint8(n)
}

func holderOf(who uint8) locking.Holder {
	return locking.Holder{ID: string('a' + rune(who) - 1)}
}

func seatOf(id string) uint8 {
	if id == "" {
		return ghost // nobody in particular
	}
	return id[0] - 'a' + 1
}

// record builds the real record.
func (r *register) record() locking.Record {
	out := locking.Record{Format: locking.RecordFormat, Epoch: 1, Fence: true, Database: database}
	out.ID = registerIDs[r.used]
	if r.file != plain {
		out.File = nameOf(r.file)
	}
	if r.taken != 0 {
		out.Takeover = &locking.Takeover{From: holderOf(ghost)}
		if r.by != 0 {
			out.Takeover.By, out.Takeover.To = holderOf(r.by).ID, nameOf(r.to)
		}
	}
	for n := range uint8(maxNames) {
		if r.old&(1<<n) != 0 {
			out.Old = append(out.Old, nameOf(n))
		}
	}
	if r.removing != 0 {
		out.Removing = &locking.Holder{}
		if r.removing != ghost {
			out.Removing.ID = holderOf(r.removing).ID
		}
	}
	for _, e := range r.entries {
		if e.who != 0 {
			out.Entries = append(out.Entries, locking.Entry{Holder: holderOf(e.who), Level: locking.Level(e.level), Wants: locking.Level(e.wants), TTL: 1})
		}
	}
	return out
}

// compact is the reverse of record.
func compact(r *locking.Record) (out register) {
	out.used = uint8(slices.Index(registerIDs[:], r.ID))
	out.file = nameNumber(r.File)
	if t := r.Takeover; t != nil {
		out.taken = 1
		if t.By != "" {
			out.by, out.to = seatOf(t.By), nameNumber(t.To)
		}
	}
	for _, name := range r.Old {
		out.old |= 1 << nameNumber(name)
	}
	if r.Removing != nil {
		out.removing = seatOf(r.Removing.ID)
	}
	for i, e := range r.Entries {
		out.entries[i] = entry{seatOf(e.Holder.ID), uint8(e.Level), uint8(e.Wants)}
	}
	return out
}

// step runs the transition of the real record.
func (w *walk) step(r *register, i int, req request) stepResult {
	key := stepKey{*r, uint8(i + 1), req}
	if known, ok := w.steps[key]; ok {
		return known
	}
	rec := r.record()
	tighten := w.loosen(&rec, &req)
	f := &locking.Fencing{Database: database, ID: registerIDs[another], Nonce: fmt.Sprintf("%08x", req.nonce), Settle: req.settle}
	if req.first || w.without.IDDrawnAnew {
		f.ID = registerIDs[original]
	}
	if req.done != 0 {
		f.Done = nameOf(req.done - 1)
	}
	if req.spoilt != 0 {
		f.Spoilt = nameOf(req.spoilt - 1)
	}
	var expired []string
	for k := range uint8(maxSeats) {
		if req.expired&(1<<k) != 0 {
			expired = append(expired, holderOf(k+1).ID)
		}
	}
	for n := range uint8(maxNames) {
		if req.removed&(1<<n) != 0 {
			f.Removed = append(f.Removed, nameOf(n))
		}
	}
	next, answer := rec.Step(locking.Request{Holder: holderOf(uint8(i + 1)), Level: req.level, TTL: time.Millisecond, Expired: expired, Fence: f})
	tighten(&next)
	res := stepResult{compact(&next), answer.Level, answer.Granted()}
	w.steps[key] = res
	return res
}

// swap has seat i ask the register, and reports whether it was granted.
func (w *walk) swap(n *state, i int, req request) bool {
	res := w.step(&n.reg, i, req)
	n.setRegister(w, res.reg)
	n.seats[i].level = uint8(res.level)
	return res.granted
}

// setRegister changes the register: a swap that is in flight can only fail now.
func (s *state) setRegister(w *walk, r register) {
	s.reg = r
	if !w.clean && !w.without.OwnNamesOnly {
		s.reg.old = 0 // nobody looks
	}
	if !w.settle {
		s.reg.removing = 0
	}
	for i := range s.seats {
		s.seats[i].late = 0
	}
}

// in reports whether a fresh look at the register shows seat i at its level.
func (s *state) in(i int) bool {
	e := s.reg.find(i)
	return e != nil && e.level >= s.seats[i].level && e.level > 0
}
