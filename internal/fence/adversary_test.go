package fence

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/holdfastdb/holdfast/locking"
)

// thorough runs try every moment, and a third of those of a copy that reads in any order.
var thorough = os.Getenv("HOLDFAST_REAL") == "1"

// An adversary copies while a holder that lost its epoch goes on with its history.
type adversary struct {
	h      *history
	images []disk
	breaks func(*copier) []Step // takes away a rule from the copier; nil: none
	rash   bool                 // the holder does not read the register before it ends a journal or a WAL
	gusty  bool                 // reads have no order
	known  map[[32]byte]string  // what SQLite made of a copy
	buffer []byte
	tried  int
	moved  int
}

func newAdversary(h *history) *adversary {
	return &adversary{h: h, images: h.images(), known: map[[32]byte]string{}, buffer: make([]byte, 4096)}
}

// copy makes one copy, and judges it. done says how far the holder got.
func (a *adversary) copy(t testing.TB, s *stage, lost int, done func() int) (moved bool, err error) {
	a.tried++
	s.copies = disk{}
	c := newCopier(s, "app.db", "copy", nil)
	c.buffer = a.buffer
	steps := Steps[:]
	if a.breaks != nil {
		steps = a.breaks(c)
	}
	switch err := c.run(context.Background(), steps); {
	case errors.Is(err, locking.ErrMoved):
		a.moved++
		if len(s.copies) > 0 {
			return true, fmt.Errorf("copies were left: %v", slices.Collect(maps.Keys(s.copies)))
		}
		return true, nil
	case err != nil:
		return false, err
	}
	got := a.recover(t, s.copies)
	if !slices.Contains(a.h.acceptable(lost, done()), got) {
		return false, fmt.Errorf("the copy is not what was committed: %.60s ... %.60s", got, got[max(0, len(got)-60):])
	}
	return false, nil
}

func (a *adversary) recover(t testing.TB, copies disk) string {
	sum := sha256.New()
	for _, name := range []string{"copy", "copy-journal", "copy-wal"} {
		n, there := copies[name]
		fmt.Fprintln(sum, there, len(n.data))
		sum.Write([]byte(n.data))
	}
	key := [32]byte(sum.Sum(nil))
	got, known := a.known[key]
	if !known {
		got = recovered(t, copies, "copy")
		a.known[key] = got
	}
	return got
}

// burst lets the holder lose its epoch after so many operations, and go on at once to
// another place just before a tick of the copy. A copy that is spoilt is made anew,
// which must then succeed.
func (a *adversary) burst(t testing.TB, lost, tick, to int) (ticks int, err error) {
	at := lost
	s := &stage{disk: a.images[lost], pieces: 512}
	if a.gusty {
		s.pieces, s.shuffle = 128, rand.New(rand.NewPCG(uint64(tick), uint64(to)))
	}
	s.tick = func() {
		if ticks == tick {
			at, s.disk = to, a.images[to]
		}
		ticks++
	}
	done := func() int { return at }
	moved, err := a.copy(t, s, lost, done)
	if moved && err == nil && a.breaks == nil {
		s.tick = nil
		if moved, err = a.copy(t, s, lost, done); moved {
			err = errors.New("moved, though nothing did")
		}
	}
	return ticks, err
}

// limit returns how far the holder may get.
func (a *adversary) limit(lost int) int {
	if a.rash {
		return len(a.h.ops)
	}
	return a.h.limit(lost)
}

// walk tries every moment of the loss, of the burst, and of its end.
func (a *adversary) walk(t testing.TB) error {
	stride := 3 * slow // of the ticks, each time others
	switch {
	case thorough && a.gusty:
		stride = 3
	case thorough:
		stride = 1
	case a.gusty:
		stride = 17
	case a.breaks != nil || a.rash:
		stride = 3
	}
	for lost := range a.images {
		ticks, err := a.burst(t, lost, -1, lost)
		if err != nil {
			return fmt.Errorf("lost after %d: %w", lost, err)
		}
		if a.gusty && lost < a.h.ends[0] {
			continue // only the last transaction, after others
		}
		for to := lost + 1; to <= a.limit(lost); to++ {
			for tick := (lost + to) % stride; tick < ticks; tick += stride {
				if _, err := a.burst(t, lost, tick, to); err != nil {
					return fmt.Errorf("lost after %d, at tick %d on to %d: %w", lost, tick, to, err)
				}
			}
		}
	}
	return nil
}

// A lander is the disk of a holder whose writes reach it in any order, except that a
// sync waits for those to its file.
type lander struct {
	disk    disk
	ops     []op
	next    int // the first that was not begun
	pending []op
	rand    *rand.Rand
}

func (l *lander) issue() {
	o := l.ops[l.next]
	l.next++
	if o.kind != write {
		l.settle(o.name)
		l.disk.apply(o)
		return
	}
	const piece = 256 // of a write may land without the rest
	for i := 0; i < len(o.data); i += piece {
		l.pending = append(l.pending, op{write, o.name, o.off + int64(i), o.data[i:min(len(o.data), i+piece)]})
	}
}

func (l *lander) settle(name string) {
	l.pending = slices.DeleteFunc(l.pending, func(o op) bool {
		if o.name == name {
			l.disk.apply(o)
		}
		return o.name == name
	})
}

// land has one write land, unless an earlier one to the same bytes is pending.
func (l *lander) land() {
	if len(l.pending) == 0 {
		return
	}
	i := l.rand.IntN(len(l.pending))
	o := l.pending[i]
	for _, e := range l.pending[:i] {
		if e.name == o.name && e.off < o.off+int64(len(o.data)) && o.off < e.off+int64(len(e.data)) {
			return
		}
	}
	l.disk.apply(o)
	l.pending = slices.Delete(l.pending, i, i+1)
}

// storm is one random run: writes land in any order, reads are done in pieces of any
// order, and the holder goes on at random moments.
func (a *adversary) storm(t testing.TB, seed uint64) error {
	r := rand.New(rand.NewPCG(seed, 3))
	lost := r.IntN(len(a.h.ops) + 1)
	begin := 0 // of a transaction not long before: then nothing was on its way
	for _, end := range a.h.ends {
		if end <= lost {
			begin = end
		}
	}
	l := &lander{disk: maps.Clone(a.images[begin]), ops: a.h.ops, next: begin, rand: r}
	for l.next < lost {
		l.issue()
		for range r.IntN(4) {
			l.land()
		}
	}
	limit := a.limit(lost)
	pace := []int{2, 10, 50, 200}[r.IntN(4)]
	s := &stage{disk: l.disk, pieces: []int{64, 512, 4096}[r.IntN(3)], shuffle: r}
	s.tick = func() {
		if r.IntN(pace) > 0 {
			return
		}
		for range r.IntN(8) {
			if l.next < limit && r.IntN(2) == 0 {
				l.issue()
			} else {
				l.land()
			}
		}
	}
	_, err := a.copy(t, s, lost, func() int { return l.next })
	return err
}

func TestCopyOfAChangingDatabase(t *testing.T) {
	for _, m := range histories {
		t.Run(m.name, func(t *testing.T) {
			a := newAdversary(recordMode(t, m.name, short, shortWAL))
			if err := a.walk(t); err != nil {
				t.Error(err)
			}
			t.Logf("%d operations, %d copies, %d spoilt, %d different", len(a.h.ops), a.tried, a.moved, len(a.known))
		})
		t.Run(m.name+" in any order", func(t *testing.T) {
			a := newAdversary(recordMode(t, m.name, long, longWAL))
			n := uint64(200 / slow)
			if thorough {
				n = 2000
			}
			if err := a.storms(t, n); err != nil {
				t.Error(err)
			}
			t.Logf("%d operations, %d copies, %d spoilt, %d different", len(a.h.ops), a.tried, a.moved, len(a.known))
		})
	}
}

// storms is so many random runs.
func (a *adversary) storms(t testing.TB, n uint64) error {
	for seed := range n {
		if err := a.storm(t, seed); err != nil {
			return fmt.Errorf("seed %d: %w", seed, err)
		}
	}
	return nil
}

// Without any one of the rules some copy is wrong, so the adversary can tell.
func TestEachRuleIsNeeded(t *testing.T) {
	order := func(steps ...Step) func(*copier) []Step {
		return func(*copier) []Step { return steps }
	}
	inOnePass := func(c *copier) []Step {
		c.do[JournalRecords] = func(ctx context.Context) error {
			src, info, err := c.open("app.db-journal")
			if err != nil {
				return nil
			}
			dst, err := c.create("copy-journal", info)
			if err != nil {
				return err
			}
			_, err = c.copyRange(ctx, dst, src, 0, untilEnd)
			return err
		}
		return []Step{MarkBefore, Database, JournalRecords, WAL, MarkAfter, Durable}
	}
	whole := func(c *copier) []Step {
		c.do[JournalRecords] = func(ctx context.Context) error {
			src, _, err := c.open("app.db-journal")
			if err != nil || c.journal == nil {
				return nil
			}
			_, err = c.copyRange(ctx, c.journal, src, 0, untilEnd)
			return err
		}
		return Steps[:]
	}
	for _, rule := range []struct {
		name, mode string
		breaks     func(*copier) []Step
		rash       bool
		gusty      bool // seen only when reads have no order
	}{
		{name: "a mark afterwards", mode: "delete", breaks: order(MarkBefore, Database, JournalHeaders, JournalRecords, WAL, Durable)},
		{name: "a mark afterwards, truncate", mode: "truncate", breaks: order(MarkBefore, Database, JournalHeaders, JournalRecords, WAL, Durable)},
		{name: "a mark afterwards, persist", mode: "persist", breaks: order(MarkBefore, Database, JournalHeaders, JournalRecords, WAL, Durable)},
		{name: "a mark before", mode: "delete", breaks: order(Database, JournalHeaders, JournalRecords, WAL, MarkAfter, Durable)},
		{name: "the database before the journal", mode: "delete", breaks: order(MarkBefore, JournalHeaders, JournalRecords, Database, WAL, MarkAfter, Durable)},
		{name: "headers before records", mode: "persist", breaks: inOnePass, gusty: true},
		{name: "headers as they were seen first", mode: "persist", breaks: whole, gusty: true},
		{name: "the WAL's salts", mode: "wal", breaks: func(c *copier) []Step {
			c.do[WAL] = func(ctx context.Context) error { _, err := c.walCopied(ctx); return err }
			c.do[MarkAfter] = func(context.Context) error { return nil }
			return Steps[:]
		}},
		{name: "no journal ends unverified", mode: "delete", rash: true},
		{name: "no journal ends unverified, truncate", mode: "truncate", rash: true},
		{name: "no journal ends unverified, persist", mode: "persist", rash: true},
		{name: "no WAL counts unverified", mode: "wal", rash: true},
	} {
		t.Run(rule.name, func(t *testing.T) {
			scripts := short
			if rule.gusty {
				scripts = []string{rollback, change}
			}
			a := newAdversary(recordMode(t, rule.mode, scripts, shortWAL))
			a.breaks, a.rash, a.gusty = rule.breaks, rule.rash, rule.gusty
			found := a.walk(t)
			if found == nil {
				t.Errorf("%d copies were right without it", a.tried)
			}
			t.Logf("after %d copies: %v", a.tried, found)
		})
	}
}
