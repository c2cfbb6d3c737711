package locking

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// A hangingRegister never answers and does not mind contexts, as a hard NFS
// mount whose server is gone.
type hangingRegister struct{ release chan struct{} }

func (h hangingRegister) Read(context.Context) ([]byte, Version, error) {
	<-h.release
	return nil, Unused, errors.New("released")
}

func (h hangingRegister) CompareAndSwap(context.Context, Version, []byte) (Version, error) {
	<-h.release
	return Unused, errors.New("released")
}

func TestNoWaitOutlivesAHangingRegister(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hangingRegister{make(chan struct{})}
		c, err := NewCoordinator(h, Options{Log: quiet})
		must(t, err)
		l := newLock(t, c)

		start := time.Now()
		err = l.Lock(t.Context(), Shared, nil)
		if took := time.Since(start); !errors.Is(err, ErrUnreachable) || took > 7*time.Second {
			t.Errorf("lock = %v after %v, want ErrUnreachable within 7s", err, took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		err = l.Lock(ctx, Shared, func() bool { return true })
		if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took != time.Second {
			t.Errorf("lock = %v after %v, want the deadline after 1s", err, took)
		}
		start = time.Now()
		err = c.Close(t.Context())
		if took := time.Since(start); !errors.Is(err, ErrUnreachable) || took > 6*time.Second {
			t.Errorf("close = %v after %v, want ErrUnreachable within 6s", err, took)
		}
		close(h.release) // the storage answers at last, and the keeper ends
		<-c.ended
	})
}

func TestErrorsThatWillNotGoAwayAreToldAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := &cell{}
		reg.setFault(func(string) (error, error) { return fmt.Errorf("cell: %w", ErrForeign), nil })
		l := newLock(t, open(t, reg, Options{}))
		start := time.Now()
		err := l.Lock(t.Context(), Shared, patient(time.Minute))
		if !errors.Is(err, ErrForeign) || time.Since(start) > 100*time.Millisecond {
			t.Errorf("lock = %v after %v, want ErrForeign at once", err, time.Since(start))
		}
		reg.setFault(nil)
		transact(t, l, time.Second)

		reg.mu.Lock()
		reg.n++
		reg.value = []byte(`{"holdfast": 99}`)
		reg.mu.Unlock()
		other := newLock(t, open(t, reg, Options{}))
		if err := other.Lock(t.Context(), Shared, patient(time.Minute)); !errors.Is(err, ErrRecord) {
			t.Errorf("lock over a newer record = %v, want ErrRecord", err)
		}
	})
}

func TestImpossibleMovesAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLock(t, open(t, &cell{}, Options{}))
		if err := l.Lock(t.Context(), Reserved, nil); err == nil {
			t.Error("from NONE to RESERVED: no error")
		}
		must(t, l.Lock(t.Context(), Shared, nil))
		if err := l.Lock(t.Context(), Pending, nil); err == nil {
			t.Error("to PENDING: no error")
		}
		if err := l.Unlock(Reserved); err == nil {
			t.Error("unlock to RESERVED: no error")
		}
		must(t, l.Close())
		if err := l.Lock(t.Context(), Shared, nil); !errors.Is(err, ErrClosed) {
			t.Errorf("lock after close = %v, want ErrClosed", err)
		}
	})
}

func TestOptionsMustFitTogether(t *testing.T) {
	for name, opts := range map[string]Options{
		"ttl too short":      {TTL: MinTTL - 1},
		"negative ttl":       {TTL: -time.Second},
		"renew too long":     {TTL: 10 * time.Second, Renew: 6 * time.Second},
		"guard too long":     {TTL: 10 * time.Second, Guard: 3 * time.Second},
		"poll over renew":    {TTL: 10 * time.Second, Poll: 4 * time.Second},
		"negative timeout":   {Timeout: -1},
		"negative poll":      {Poll: -1},
		"negative guard":     {Guard: -1},
		"negative renewal":   {Renew: -1},
		"poll over default":  {TTL: time.Second, Poll: time.Second},
		"guard over default": {TTL: time.Second, Guard: time.Second},
	} {
		if c, err := NewCoordinator(&cell{}, opts); err == nil {
			c.Close(t.Context())
			t.Errorf("%s: no error", name)
		}
	}
}

// A watchedCell is a cell that tells of changes at once.
type watchedCell struct {
	*cell
	broken bool
}

func (w *watchedCell) Watch(ctx context.Context, known Version) error {
	if w.broken {
		return errors.New("watching is forbidden here")
	}
	for ctx.Err() == nil {
		w.mu.Lock()
		moved := w.version() != known
		w.mu.Unlock()
		if moved {
			return nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Millisecond):
		}
	}
	return ctx.Err()
}

func TestWatchTakesThePlaceOfPolling(t *testing.T) {
	for name, broken := range map[string]bool{"works": false, "is forbidden": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				reg := &watchedCell{cell: &cell{}, broken: broken}
				a := newLock(t, open(t, reg, Options{TTL: 30 * time.Second}))
				transact(t, a, time.Second)
				before := reg.operations()
				time.Sleep(9 * time.Second) // less than a renewal
				ops := reg.operations() - before
				if !broken && ops > 2 || broken && ops < 50 {
					t.Errorf("9 s of holding cost %d register operations", ops)
				}
				b := newLock(t, open(t, reg, Options{TTL: 30 * time.Second}))
				start := time.Now()
				transact(t, b, 10*time.Second)
				if took := time.Since(start); took > time.Second {
					t.Errorf("hand-over took %v", took)
				}
			})
		})
	}
}

// Whatever the keeper is in the middle of, which chance decides: without the check for a
// session that was lost meanwhile, one round in a hundred gave the lease up.
func TestClosingUnderHeldLocksGivesNothingUp(t *testing.T) {
	for range 500 {
		synctest.Test(t, func(t *testing.T) {
			reg := &cell{}
			c := open(t, reg, Options{Log: quiet})
			l := newLock(t, c)
			must(t, l.Lock(t.Context(), Shared, nil))
			must(t, l.Lock(t.Context(), Reserved, nil))
			if err := c.Close(t.Context()); err == nil {
				t.Fatal("close under a held lock: no error")
			}
			if err := l.Check(); !errors.Is(err, ErrLost) {
				t.Fatalf("check after close = %v, want ErrLost", err)
			}
			if r := reg.record(t); len(r.Entries) != 1 {
				t.Fatalf("the lease was given up in the name of a lock that may still write: %v", r.Entries)
			}
		})
	}
}

// The time limit of one operation on the register is not that of the caller, and must
// not look as if the caller's context had ended.
func TestSlowRegisterIsUnreachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := &cell{}
		c := open(t, reg, Options{Log: quiet})
		l := newLock(t, c)
		reg.setFault(func(string) (error, error) { return context.DeadlineExceeded, nil })
		_, reserved := l.Reserved(t.Context())
		_, current := c.Current(t.Context())
		for name, err := range map[string]error{
			"Lock": l.Lock(t.Context(), Shared, patient(time.Minute)), "Reserved": reserved, "Current": current,
		} {
			if !errors.Is(err, ErrUnreachable) || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v, want ErrUnreachable alone", name, err)
			}
		}
	})
}
