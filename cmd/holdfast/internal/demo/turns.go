package demo

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// A turn is the time during which one writer held the database under one epoch,
// as far as its own events show.
type turn struct {
	epoch    uint64
	holder   string
	others   []string // who else acknowledged rows under this epoch: nobody should
	from, to time.Time
	rows     int
}

// turns are all turns, by epoch.
type turns map[uint64]*turn

// add notes that e.writer held the database from e.Began until e.Until, and with
// rows that so many were acknowledged.
func (t turns) add(e event, rows int) {
	now := t[e.Epoch]
	if now == nil {
		now = &turn{epoch: e.Epoch, holder: e.writer, from: e.Began}
		t[e.Epoch] = now
	}
	if now.holder != e.writer {
		now.others = append(now.others, e.writer)
	}
	now.to = e.Until
	now.rows += rows
}

// after returns the first turn later than an epoch.
func (t turns) after(epoch uint64) (turn, bool) {
	for _, next := range t.sorted() {
		if next.epoch > epoch {
			return *next, true
		}
	}
	return turn{}, false
}

func (t turns) sorted() []*turn {
	return slices.SortedFunc(maps.Values(t), func(a, b *turn) int { return cmp.Compare(a.epoch, b.epoch) })
}

// overlap returns two turns during which two writers both held the database for
// certain, if there are such: from is taken after a lock was got, and to before
// the last commit began.
func (t turns) overlap() (a, b *turn) {
	all := t.sorted()
	for i := range all[:max(0, len(all)-1)] {
		if all[i].to.After(all[i+1].from) {
			return all[i], all[i+1]
		}
	}
	return nil, nil
}
