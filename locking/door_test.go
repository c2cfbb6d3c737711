package locking

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// waitToWrite has another process wait to be alone, until the function returned is called.
func waitToWrite(t *testing.T, reg Register) (stop func()) {
	t.Helper()
	l := newLock(t, open(t, reg, Options{Log: quiet}))
	l.SetSole(true)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.Lock(ctx, Shared, func() bool { return true })
	}()
	time.Sleep(time.Second)
	return func() {
		cancel()
		<-done
		l.Close()
	}
}

// Who does not come in beside its own process, since another one waits, waits no longer
// than it wants to, and is told for whom.
func TestNoWaitForAnotherOutlivesAgain(t *testing.T) {
	for _, level := range []Level{Shared, Reserved, Exclusive} {
		t.Run(level.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				reg := &cell{}
				c := open(t, reg, Options{Log: quiet})
				busy := newLock(t, c)
				for to := Shared; to <= level; to++ {
					if to != Pending {
						must(t, busy.Lock(t.Context(), to, nil))
					}
				}
				stop := waitToWrite(t, reg)
				defer stop()
				for name, again := range map[string]func() bool{
					"none":            nil,
					"a busy timeout":  patient(3 * time.Second),
					"never once more": func() bool { return false },
				} {
					ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
					start := time.Now()
					err := newLock(t, c).Lock(ctx, Shared, again)
					cancel()
					var held *HeldError
					if took := time.Since(start); !errors.As(err, &held) || took > 4*time.Second {
						t.Fatalf("again: %s: lock = %v after %v, want a HeldError within 4s", name, err, took)
					}
					if level != Exclusive && (!held.Waits || held.Level != Exclusive || held.Wanted != Shared) {
						t.Errorf("again: %s: %v, want who waits for EXCLUSIVE", name, held)
					}
				}
				must(t, busy.Unlock(None))
			})
		})
	}
}

// Readers of one process that overlap each other keep nobody out for longer than those of
// them that were in when it asked.
func TestOverlappingReadersLetAWriterIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const read = 6 * time.Second // longer than a renewal
		reg := &cell{}
		readers := open(t, reg, Options{Log: quiet})
		writer := newLock(t, open(t, reg, Options{Log: quiet}))
		end := time.Now().Add(5 * time.Minute)
		reads, longest := 0, time.Duration(0)
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i := range 4 {
			l := newLock(t, readers)
			wg.Go(func() {
				time.Sleep(time.Duration(i) * read / 4)
				for time.Now().Before(end) {
					start := time.Now()
					if err := l.Lock(t.Context(), Shared, patient(time.Minute)); err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					reads, longest = reads+1, max(longest, time.Since(start))
					mu.Unlock()
					time.Sleep(read)
					l.Unlock(None)
				}
			})
		}
		time.Sleep(2 * read)
		writes := 0
		for ; time.Now().Before(end); writes++ {
			start := time.Now()
			if err := writeAsSQLite(t, writer); err != nil {
				t.Error(err)
				break
			}
			if took := time.Since(start); took > read+2*time.Second {
				t.Errorf("write %d waited for %v beside reads of %v", writes, took, read)
			}
		}
		wg.Wait()
		t.Logf("%d writes beside %d reads, of which the longest waited for %v", writes, reads, longest)
		if reads < 40 || longest > read+2*time.Second {
			t.Errorf("%d reads beside a busy writer, of which the longest waited for %v", reads, longest)
		}
	})
}

// Who came in beside its own process's writer while another process asked to read climbs
// once that one has come in too: a reader is nobody to give up for.
func TestClimbAfterAReaderThatAsked(t *testing.T) {
	for range 20 { // whether the climb is asked for before the process steps down is up to chance
		synctest.Test(t, func(t *testing.T) {
			reg := slow{&cell{}, 8 * time.Millisecond, 40 * time.Millisecond}
			c := open(t, reg, Options{})
			writer, late := newLock(t, c), newLock(t, c)
			must(t, writer.Lock(t.Context(), Shared, nil))
			must(t, writer.Lock(t.Context(), Reserved, nil))
			time.Sleep(time.Second) // its turn is over
			reader := newLock(t, open(t, reg, Options{}))
			in := make(chan error, 1)
			go func() { in <- reader.Lock(t.Context(), Shared, patient(time.Minute)) }()
			time.Sleep(250 * time.Millisecond) // the process knows, and does not step down yet
			must(t, late.Lock(t.Context(), Shared, nil))
			must(t, writer.Unlock(None))
			must(t, late.Lock(t.Context(), Reserved, nil))
			must(t, <-in)
			must(t, reader.Unlock(None))
			must(t, late.Unlock(None))
		})
	}
}
