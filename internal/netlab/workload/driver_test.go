package workload

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A bank is what a fake worker works on: a ledger in memory.
type bank struct {
	mu    sync.Mutex
	rows  map[Row]bool // guarded by mu
	order []Run        // guarded by mu
	spoil func(*Reply) // what it says that is not so
}

// obey does a command, at some moment between it and its answer.
func (b *bank) obey(f *fake, c Command) *Reply {
	go func() {
		time.Sleep(rand.N(20 * time.Millisecond))
		r := b.do(c)
		time.Sleep(rand.N(20 * time.Millisecond))
		r.ID = c.ID
		f.say(r)
	}()
	return nil
}

func (b *bank) do(c Command) *Reply {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := &Reply{Outcome: OK}
	switch {
	case c.Conn == "closed":
		r.Outcome, r.Kind = Failed, KindUsage
	case c.Append != nil:
		row := Row{c.Append.Writer, c.Append.N}
		switch chance := rand.IntN(10); {
		case chance == 0:
			r.Outcome, r.Kind = Failed, KindBusy
			return r
		case chance == 1:
			r.Outcome, r.Kind = Unknown, KindLost
			if rand.IntN(2) == 0 {
				return r
			}
		}
		b.rows[row] = true
		b.order = AddRun(b.order, row)
	case c.Read != nil:
		r.Read = &View{Ledger: ledgerOf(b.rows), Total: Accounts * Balance}
	}
	if b.spoil != nil {
		b.spoil(r)
	}
	return r
}

// work has connections work on a bank for a while.
func (b *bank) work(t *testing.T, conns ...string) (*History, error) {
	b.rows = make(map[Row]bool)
	f := newFake(b.obey)
	h := NewHistory()
	d := NewDriver(h, Mix{Seed: 1, Reads: 50, Deep: 10, Spill: 10, Think: 5 * time.Millisecond, Limit: time.Second})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for _, conn := range conns {
		d.Start(ctx, f.Client, conn)
	}
	err := d.Wait()
	f.close(t)
	return h, err
}

func TestDriver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bank{}
		h, err := b.work(t, "1", "2", "3", "4")
		if err != nil {
			t.Fatal(err)
		}
		s := h.Summary()
		for _, what := range []string{"append ok", "append failed", "append unknown", "read ok"} {
			if s.Counts[what] < 20 {
				t.Errorf("%s: %d times", what, s.Counts[what])
			}
		}
		if len(s.Hung) > 0 || s.LongestWait() == 0 || s.LongestWait() > 40*time.Millisecond {
			t.Errorf("longest wait %v, hung %v", s.LongestWait(), s.Hung)
		}
		if wrong := h.Check(); len(wrong) > 0 {
			t.Errorf("Check() = %q", wrong)
		}
		if wrong := h.Final(&Audit{Runs: b.order, Total: Accounts * Balance}); len(wrong) > 0 {
			t.Errorf("Final() = %q", wrong)
		}
		if o := h.First(5*time.Second, Appending, func(c string) bool { return c == "fake.2" }); o == nil || o.Return < 5*time.Second || o.Return > 6*time.Second {
			t.Errorf("First after 5 s is %v", o)
		}
	})
}

func TestDriverNoticesAReadOfThePast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var old []*View
		b := &bank{spoil: func(r *Reply) {
			if r.Read == nil {
				return
			}
			if old = append(old, r.Read); len(old) > 50 && rand.IntN(50) == 0 {
				r.Read = old[len(old)-20]
			}
		}}
		h, err := b.work(t, "1", "2", "3", "4")
		if err != nil {
			t.Fatal(err)
		}
		if wrong := h.Check(); len(wrong) == 0 || !strings.HasPrefix(wrong[0], "stale read:") {
			t.Errorf("Check() = %q", wrong)
		}
	})
}

func TestDriverTellsOfNonsense(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, err := new(bank).work(t, "closed", "1")
		if err == nil {
			t.Error("nobody heard that a connection is not open")
		}
		if n := h.Summary().Errors[KindUsage]; n != 1 {
			t.Errorf("the connection that is not open was used %d times", n)
		}
	})
}

func TestDriverWithAWorkerThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(func(*fake, Command) *Reply { return nil })
		h := NewHistory()
		d := NewDriver(h, Mix{Limit: time.Second, Hang: 3 * time.Second})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		d.Start(ctx, f.Client, "1")
		if err := d.Wait(); err != nil {
			t.Error(err)
		}
		if at := h.Now(); at > 13*time.Second {
			t.Errorf("it ended after %v", at)
		}
		if s := h.Summary(); len(s.Hung) != 4 || s.Counts["append unknown"] != 4 {
			t.Errorf("%d hang, of %v", len(s.Hung), s.Counts)
		}
		f.close(t)
	})
}
