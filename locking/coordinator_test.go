package locking

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A cell is a register in memory with faults that a test switches on.
type cell struct {
	mu    sync.Mutex
	value []byte
	n     int
	reads int
	swaps int
	fault func(op string) (before, after error) // guarded by mu
}

func (c *cell) Read(ctx context.Context) ([]byte, Version, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reads++
	if c.fault != nil {
		if err, _ := c.fault("read"); err != nil {
			return nil, "", err
		}
	}
	return c.value, c.version(), nil
}

// remove makes the register one that was never used.
func (c *cell) remove() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.value, c.n = nil, 0
}

func (c *cell) version() Version {
	if c.n == 0 {
		return Unused
	}
	return Version(fmt.Sprint(c.n))
}

func (c *cell) CompareAndSwap(ctx context.Context, old Version, value []byte) (Version, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.swaps++
	var after error
	if c.fault != nil {
		var before error
		if before, after = c.fault("swap"); before != nil {
			return "", before
		}
	}
	if c.version() != old {
		return "", ErrConflict
	}
	c.n++
	c.value = value
	return c.version(), after
}

func (c *cell) String() string { return "cell" }

// operations returns how many reads and swaps there were.
func (c *cell) operations() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reads + c.swaps
}

func (c *cell) setFault(f func(op string) (before, after error)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fault = f
}

func (c *cell) record(t *testing.T) Record {
	t.Helper()
	value, _, err := c.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r, err := DecodeRecord(value)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func open(t *testing.T, reg Register, opts Options) *Coordinator {
	t.Helper()
	c, err := NewCoordinator(reg, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

func newLock(t *testing.T, c *Coordinator) SoleLock {
	t.Helper()
	l, err := c.NewLock()
	if err != nil {
		t.Fatal(err)
	}
	return l.(SoleLock)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// patient is an again that goes on for d.
func patient(d time.Duration) func() bool {
	end := time.Now().Add(d)
	return func() bool { return time.Now().Before(end) }
}

// transact takes a lock through a whole write transaction.
func transact(t *testing.T, l Lock, patience time.Duration) {
	t.Helper()
	for _, level := range []Level{Shared, Reserved, Exclusive} {
		if err := l.Lock(t.Context(), level, patient(patience)); err != nil {
			t.Fatalf("lock %v: %v", level, err)
		}
	}
	must(t, l.Check())
	must(t, l.Unlock(None))
}

func TestStickyTransactionCostsNoRegisterOperation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := &cell{}
		c := open(t, reg, Options{})
		l := newLock(t, c)
		transact(t, l, time.Second)
		before := reg.operations()
		for range 1000 {
			transact(t, l, time.Second)
		}
		if got := reg.operations() - before; got != 0 {
			t.Errorf("1000 transactions cost %d register operations, want 0", got)
		}
		must(t, l.Close())
	})
}

func TestIdleProcessLeavesTheRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := &cell{}
		c := open(t, reg, Options{Idle: 5 * time.Second})
		l := newLock(t, c)
		transact(t, l, time.Second)
		time.Sleep(6 * time.Second)
		if r := reg.record(t); len(r.Entries) != 0 {
			t.Errorf("after the idle time the record still has %v", r.Entries)
		}
		before := reg.operations()
		time.Sleep(time.Hour)
		if got := reg.operations() - before; got != 0 {
			t.Errorf("an idle hour cost %d register operations, want 0", got)
		}
		transact(t, l, time.Second)
		must(t, l.Close())
	})
}

func TestWaiterIsServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := &cell{}
		a := newLock(t, open(t, reg, Options{}))
		b := newLock(t, open(t, reg, Options{}))
		transact(t, a, time.Second)
		start := time.Now()
		transact(t, b, 10*time.Second)
		if took := time.Since(start); took > time.Second {
			t.Errorf("an idle holder stepped down after %v, want within a second", took)
		}
	})
}

func TestHeldErrorNamesTheHolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := &cell{}
		a := newLock(t, open(t, reg, Options{}))
		must(t, a.Lock(t.Context(), Shared, nil))
		must(t, a.Lock(t.Context(), Reserved, nil))
		must(t, a.Lock(t.Context(), Exclusive, nil))
		time.Sleep(20 * time.Second)

		b := newLock(t, open(t, reg, Options{}))
		err := b.Lock(t.Context(), Shared, patient(2*time.Second))
		var held *HeldError
		if !errors.As(err, &held) || !errors.Is(err, ErrHeld) {
			t.Fatalf("lock beside EXCLUSIVE = %v, want a HeldError", err)
		}
		self := Self()
		if held.Holder.PID != self.PID || held.Holder.Host != self.Host || held.Level != Exclusive ||
			held.Wanted != Shared || held.Epoch != 1 || held.Age < 20*time.Second {
			t.Errorf("HeldError = %+v", held)
		}
		must(t, a.Unlock(None))
	})
}

func TestDeadlineReachesIntoAWaitingLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := &cell{}
		a := newLock(t, open(t, reg, Options{}))
		must(t, a.Lock(t.Context(), Shared, nil))
		must(t, a.Lock(t.Context(), Reserved, nil))
		must(t, a.Lock(t.Context(), Exclusive, nil))
		b := newLock(t, open(t, reg, Options{}))
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		err := b.Lock(ctx, Shared, func() bool { return true })
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 3*time.Second {
			t.Errorf("lock = %v after %v, want the deadline after 3s", err, time.Since(start))
		}
		var held *HeldError
		if !errors.As(err, &held) || held.Level != Exclusive {
			t.Errorf("lock = %v, which does not name the holder", err)
		}
		must(t, a.Unlock(None))
	})
}

func TestLossIsFinal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := &cell{}
		c := open(t, reg, Options{})
		a := newLock(t, c)
		idle := newLock(t, c)
		must(t, a.Lock(t.Context(), Shared, nil))
		must(t, a.Lock(t.Context(), Reserved, nil))
		before := a.Changes()
		reg.setFault(func(string) (error, error) { return errors.New("network is down"), nil })
		time.Sleep(13 * time.Second)
		must(t, a.Check()) // the deadline counts from when the last renewal was sent
		time.Sleep(2 * time.Second)
		if err := a.Check(); !errors.Is(err, ErrLost) {
			t.Fatalf("check after the deadline = %v, want ErrLost", err)
		}
		reg.setFault(nil)
		time.Sleep(time.Minute)
		if err := a.Check(); !errors.Is(err, ErrLost) {
			t.Fatalf("a lost lock came back: %v", err)
		}
		must(t, a.Unlock(None))
		if err := a.Lock(t.Context(), Shared, nil); !errors.Is(err, ErrLost) {
			t.Fatalf("a lost lock was granted again: %v", err)
		}
		// A connection that held nothing goes on, and knows that its cache is worthless.
		transact(t, idle, time.Minute)
		if idle.Changes() == before {
			t.Error("no change was reported after a loss")
		}
	})
}

func TestSilentHolderExpiresNotBeforeItsTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := &cell{}
		split := &splitRegister{a: reg}
		a := newLock(t, open(t, split, Options{TTL: 10 * time.Second}))
		must(t, a.Lock(t.Context(), Shared, nil))
		must(t, a.Lock(t.Context(), Reserved, nil))
		last := time.Now()
		split.cut.Store(true)

		b := newLock(t, open(t, reg, Options{TTL: 10 * time.Second}))
		must(t, b.Lock(t.Context(), Shared, patient(time.Minute)))
		must(t, b.Lock(t.Context(), Reserved, patient(time.Minute)))
		took := time.Since(last)
		if took < 10*time.Second || took > 12*time.Second {
			t.Errorf("taken over after %v, want 10s to 12s", took)
		}
		if err := a.Check(); !errors.Is(err, ErrLost) {
			t.Errorf("the silent holder believes in its lease: %v", err)
		}
	})
}

// Whoever opens a database may wait for a file that an unreachable holder has open
// before it asks for a lock. That holder's time runs meanwhile.
func TestTimeRunsFromTheFirstLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, row := range []struct {
			name  string
			alive bool // the holder writes once more after it was looked at
			want  time.Duration
		}{
			{"a silent holder", false, 4 * time.Second},
			{"one that was alive in between", true, 10 * time.Second},
		} {
			reg := &cell{}
			freeze(t, reg, fenced(newShelf()), Exclusive)
			c := open(t, reg, fenced(newShelf()))
			_, err := c.Current(t.Context())
			must(t, err)
			time.Sleep(6 * time.Second)
			if row.alive {
				r := reg.record(t)
				holder := r.Entries[0]
				next, _ := r.Step(Request{Holder: holder.Holder, Level: holder.Level, TTL: 10 * time.Second, Fence: &Fencing{Database: "app.db"}})
				value, err := next.Encode()
				must(t, err)
				_, err = reg.CompareAndSwap(t.Context(), reg.version(), value)
				must(t, err)
			}
			start := time.Now()
			l := newLock(t, c)
			must(t, l.Lock(t.Context(), Shared, patient(time.Minute)))
			if got := time.Since(start); got < row.want || got > row.want+time.Second {
				t.Errorf("%s: taken over after %v, want %v", row.name, got, row.want)
			}
			must(t, l.Unlock(None))
			must(t, c.Close(t.Context()))
		}
	})
}

func TestChangesTellOfOtherWriters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := &cell{}
		a := newLock(t, open(t, reg, Options{Idle: -1}))
		b := newLock(t, open(t, reg, Options{Idle: -1}))
		read := func(l Lock) uint64 {
			t.Helper()
			must(t, l.Lock(t.Context(), Shared, patient(time.Minute)))
			n := l.Changes()
			must(t, l.Unlock(None))
			time.Sleep(time.Second)
			return n
		}
		first := read(a)
		if second := read(a); second != first {
			t.Errorf("changes went from %d to %d though nobody wrote", first, second)
		}
		read(b)
		if second := read(a); second != first {
			t.Errorf("changes went from %d to %d though nobody wrote", first, second)
		}
		transact(t, b, time.Minute)
		if second := read(a); second == first {
			t.Error("another process wrote and no change was reported")
		}
		n := read(a)
		transact(t, a, time.Minute)
		time.Sleep(time.Second)
		if m := read(a); m != n {
			t.Error("our own write was reported as another's")
		}
	})
}

func TestLostReplyIsNeitherHeldNorLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := &cell{}
		a := newLock(t, open(t, reg, Options{}))
		n := 0
		reg.setFault(func(op string) (error, error) {
			if n++; op == "swap" && n%2 == 0 {
				return nil, ErrDoubt
			}
			return nil, nil
		})
		for range 20 {
			transact(t, a, time.Minute)
			time.Sleep(20 * time.Second)
		}
	})
}

// Two readers that find a hot journal both need EXCLUSIVE, and each is in the
// other's way.
func TestOneOfTwoClimbersLetsGoAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := &cell{}
		readers := []Lock{newLock(t, open(t, reg, Options{})), newLock(t, open(t, reg, Options{}))}
		for _, l := range readers {
			must(t, l.Lock(t.Context(), Shared, nil))
		}
		var wg sync.WaitGroup
		start := time.Now()
		for _, l := range readers {
			wg.Go(func() {
				for {
					err := l.Lock(t.Context(), Exclusive, patient(time.Minute))
					if err == nil {
						break
					}
					if !errors.Is(err, ErrHeld) {
						t.Errorf("climb = %v, want ErrHeld", err)
						return
					}
					l.Unlock(None)
					if err := l.Lock(t.Context(), Shared, patient(time.Minute)); err != nil {
						t.Error(err)
						return
					}
				}
				l.Unlock(None)
			})
		}
		wg.Wait()
		if took := time.Since(start); took > 900*time.Millisecond {
			t.Errorf("both climbed after %v, want well under a second", took)
		}
	})
}

func TestSoleLockKeepsOthersOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := &cell{}
		ca := open(t, reg, Options{})
		a := newLock(t, ca)
		asked := make(chan struct{}, 100)
		defer ca.OnAsked(func() { asked <- struct{}{} })()
		a.SetSole(true)
		must(t, a.Lock(t.Context(), Shared, nil))
		b := newLock(t, open(t, reg, Options{}))
		var held *HeldError
		if err := b.Lock(t.Context(), Shared, patient(time.Second)); !errors.As(err, &held) {
			t.Fatalf("lock beside a sole lock = %v, want a HeldError", err)
		}
		<-asked
		must(t, a.Unlock(None))
		must(t, b.Lock(t.Context(), Shared, patient(time.Second)))
		must(t, b.Unlock(None))
	})
}

func TestCloseReleasesWithinItsBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := &cell{}
		c := open(t, reg, Options{})
		transact(t, newLock(t, c), time.Second)
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		must(t, c.Close(cancelled))
		if r := reg.record(t); len(r.Entries) != 0 {
			t.Errorf("closed, and still in the record: %v", r.Entries)
		}
		if r := reg.record(t); r.Epoch != 1 {
			t.Errorf("epoch after release = %d, want 1", r.Epoch)
		}

		down := open(t, reg, Options{})
		transact(t, newLock(t, down), time.Second)
		reg.setFault(func(string) (error, error) { return context.DeadlineExceeded, nil })
		start := time.Now()
		err := down.Close(t.Context())
		if err == nil || time.Since(start) > 6*time.Second {
			t.Errorf("close with the register down = %v after %v, want an error within 5s and a bit", err, time.Since(start))
		}
	})
}

// quiet is for tests that lose leases on purpose.
var quiet = slog.New(slog.DiscardHandler)
