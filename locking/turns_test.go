package locking

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Processes that write without a pause take turns, and none gets much more than its share.
func TestBusyWritersTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const busy = 20 * time.Second
		reg := &cell{}
		var mu sync.Mutex
		var wg sync.WaitGroup
		done := make([]int, 3)
		turns, last := 0, -1
		end := time.Now().Add(busy)
		for p := range done {
			l := newLock(t, open(t, reg, Options{}))
			wg.Go(func() {
				for time.Now().Before(end) {
					if err := writeAsSQLite(t, l); err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					done[p]++
					if last != p {
						turns++
					}
					last = p
					mu.Unlock()
				}
			})
		}
		reads, longest := 0, time.Duration(0)
		reader := newLock(t, open(t, reg, Options{Idle: -1}))
		wg.Go(func() {
			for time.Now().Before(end) {
				start := time.Now()
				if err := reader.Lock(t.Context(), Shared, patient(time.Minute)); err != nil {
					t.Error(err)
					return
				}
				reads, longest = reads+1, max(longest, time.Since(start))
				time.Sleep(time.Millisecond)
				reader.Unlock(None)
				time.Sleep(50 * time.Millisecond)
			}
		})
		wg.Wait()
		t.Logf("%d reads beside them, the longest after %v", reads, longest)
		if reads < 10 || longest > 2*time.Second {
			t.Errorf("%d reads beside busy writers, the longest after %v: want 10 and more, within 2s", reads, longest)
		}
		t.Logf("%v transactions in %d turns in %v", done, turns, busy)
		if turns < 40 {
			t.Errorf("%d turns in %v, want 40 and more", turns, busy)
		}
		for p, n := range done {
			if n*len(done)*2 < done[0]+done[1]+done[2] {
				t.Errorf("process %d made %d of %v transactions: less than half its share", p, n, done)
			}
		}
	})
}

// writeAsSQLite does what BEGIN IMMEDIATE; …; COMMIT does, with a busy timeout.
func writeAsSQLite(t *testing.T, l Lock) error {
	again := patient(time.Minute)
	for {
		if err := l.Lock(t.Context(), Shared, again); err != nil {
			return err
		}
		err := l.Lock(t.Context(), Reserved, again)
		if err == nil {
			break
		}
		if !errors.Is(err, ErrHeld) {
			return err
		}
		l.Unlock(None)
	}
	time.Sleep(time.Millisecond)
	if err := l.Lock(t.Context(), Exclusive, again); err != nil {
		return err
	}
	time.Sleep(time.Millisecond)
	return l.Unlock(None)
}

// The storage is told when a process gave up all that it held, and only then.
func TestStorageIsToldWhenAllIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg, first, second := &cell{}, newShelf(), newShelf()
		one, other := newLock(t, open(t, reg, fenced(first))), newLock(t, open(t, reg, fenced(second)))
		must(t, writeAsSQLite(t, one))
		must(t, writeAsSQLite(t, one))
		if n := first.letGo.Load(); n != 0 {
			t.Errorf("told %d times while it kept its lease", n)
		}
		must(t, writeAsSQLite(t, other))
		synctest.Wait()
		if got := [...]int32{first.letGo.Load(), second.letGo.Load()}; got != [...]int32{1, 0} {
			t.Errorf("told %d times, want once who stepped down", got)
		}
	})
}
