package locking

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestVerify(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg, files := &cell{}, newShelf()
		c := open(t, reg, fenced(files))
		l := newLock(t, c)
		must(t, l.Verify())
		must(t, l.Lock(t.Context(), Shared, nil))
		must(t, l.Lock(t.Context(), Exclusive, nil))
		before := reg.operations()
		must(t, l.Verify())
		if n := reg.operations() - before; n != 1 {
			t.Errorf("%d register operations for one verification", n)
		}
		reg.setFault(func(op string) (error, error) { return ErrUnreachable, nil })
		go func() {
			time.Sleep(3 * time.Second)
			reg.setFault(nil)
		}()
		must(t, l.Verify())
		reg.setFault(func(op string) (error, error) { return ErrUnreachable, nil })
		began := time.Now()
		if err := l.Verify(); !errors.Is(err, ErrLost) || time.Since(began) > 10*time.Second {
			t.Errorf("without a register: %v after %v, want ErrLost by the deadline", err, time.Since(began))
		}
	})
}

// A writer that waits to be alone is at PENDING before the record says so, and may be
// verified meanwhile from another goroutine: that is no loss.
func TestVerifyWhileClimbing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := &cell{}
		reader, writer := newLock(t, open(t, reg, fenced(newShelf()))), newLock(t, open(t, reg, fenced(newShelf())))
		must(t, reader.Lock(t.Context(), Shared, nil))
		must(t, writer.Lock(t.Context(), Shared, patient(time.Minute)))
		must(t, writer.Lock(t.Context(), Reserved, patient(time.Minute)))
		reg.setFault(func(op string) (error, error) {
			if op == "swap" {
				return ErrUnreachable, nil
			}
			return nil, nil
		})
		ended := make(chan error, 1)
		go func() { ended <- writer.Lock(t.Context(), Exclusive, patient(time.Second)) }()
		synctest.Wait()
		if level := writer.Level(); level != Pending {
			t.Fatalf("it is at %v, want PENDING", level)
		}
		must(t, writer.Verify())
		reg.setFault(nil)
		if err := <-ended; err == nil || errors.Is(err, ErrLost) {
			t.Errorf("the climb past a reader: %v", err)
		}
		must(t, writer.Verify())
	})
}

func TestVerifyFindsTheEviction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg, files := &cell{}, newShelf()
		c := open(t, reg, fenced(files))
		l := newLock(t, c)
		must(t, l.Lock(t.Context(), Shared, nil))
		must(t, l.Lock(t.Context(), Exclusive, nil))
		r := reg.record(t)
		next, _ := r.Step(Request{Holder: Self(), Level: Exclusive, TTL: time.Second, Expired: []string{r.Entries[0].Holder.ID},
			Fence: &Fencing{Database: "app.db", Nonce: "00000000"}})
		value, err := next.Encode()
		must(t, err)
		if _, err := reg.CompareAndSwap(t.Context(), reg.version(), value); err != nil {
			t.Fatal(err)
		}
		if err := l.Verify(); !errors.Is(err, ErrLost) {
			t.Errorf("Verify: %v, want ErrLost", err)
		}
		if err := l.Check(); !errors.Is(err, ErrLost) {
			t.Errorf("Check afterwards: %v, want ErrLost", err)
		}
	})
}

// A register that was removed is told from one that somebody else is in, whoever finds
// out first: a verification, or the keeper.
func TestLossNamesTheRemovalOfTheRegister(t *testing.T) {
	for _, verifies := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			reg := &cell{}
			l := newLock(t, open(t, reg, fenced(newShelf())))
			must(t, l.Lock(t.Context(), Shared, nil))
			must(t, l.Lock(t.Context(), Exclusive, nil))
			reg.remove()
			if verifies {
				l.Verify()
			} else {
				time.Sleep(time.Minute)
			}
			if err := l.Check(); !errors.Is(err, ErrLost) || !strings.Contains(err.Error(), "its register was removed") {
				t.Errorf("verifies: %v; error is %v, want that the register was removed", verifies, err)
			}
		})
	}
}

// deaf is a register whose reads hang once they are told to, whatever their context.
type deaf struct {
	*cell
	hangs atomic.Bool
	free  chan struct{}
}

func (d *deaf) Read(ctx context.Context) ([]byte, Version, error) {
	if d.hangs.Load() {
		<-d.free
	}
	return d.cell.Read(ctx)
}

func TestVerifyDoesNotHangWithTheRegister(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := &deaf{cell: &cell{}, free: make(chan struct{})}
		c := open(t, reg, fenced(newShelf()))
		l := newLock(t, c)
		must(t, l.Lock(t.Context(), Shared, nil))
		must(t, l.Lock(t.Context(), Exclusive, nil))
		reg.hangs.Store(true)
		began := time.Now()
		if err := l.Verify(); !errors.Is(err, ErrLost) || time.Since(began) > c.opts.Timeout {
			t.Errorf("Verify: %v after %v, want ErrLost within %v", err, time.Since(began), c.opts.Timeout)
		}
		began = time.Now()
		_, current := c.Current(t.Context())
		_, status := c.Status(t.Context())
		if !errors.Is(current, ErrUnreachable) || !errors.Is(status, ErrUnreachable) || time.Since(began) > 2*c.opts.Timeout {
			t.Errorf("Current: %v, Status: %v after %v, want ErrUnreachable", current, status, time.Since(began))
		}
		began = time.Now()
		if err := c.Close(t.Context()); err == nil || time.Since(began) > c.opts.Timeout+time.Second {
			t.Errorf("Close: %v after %v, want an error within %v", err, time.Since(began), c.opts.Timeout)
		}
		close(reg.free)
	})
}

// Who commits all the time looks at the register often enough by its verifications:
// the keeper does not look as well, and hears of a waiter by the next commit.
func TestVerifyIsALook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := &cell{}
		busy, other := newLock(t, open(t, reg, fenced(newShelf()))), newLock(t, open(t, reg, fenced(newShelf())))
		must(t, busy.Lock(t.Context(), Shared, nil))
		must(t, busy.Lock(t.Context(), Exclusive, nil))
		const commits, pause = 100, 20 * time.Millisecond
		time.Sleep(time.Second)
		before := reg.operations()
		for range commits {
			time.Sleep(pause)
			must(t, busy.Verify())
		}
		if n := reg.operations() - before; n > commits+1 {
			t.Errorf("%d register operations for %d verifications", n, commits)
		}
		must(t, busy.Unlock(None))
		asked := time.Now()
		done := make(chan error, 1)
		go func() { done <- other.Lock(t.Context(), Shared, patient(time.Minute)) }()
		for len(done) == 0 && time.Since(asked) < time.Minute {
			time.Sleep(pause)
			must(t, busy.Lock(t.Context(), Shared, patient(time.Minute)))
			must(t, busy.Verify())
			must(t, busy.Unlock(None))
		}
		if took := time.Since(asked); took > 2*pause {
			t.Errorf("the one who waits got in after %v", took)
		}
	})
}
