package leasefile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/afero"

	"github.com/holdfastdb/holdfast/locking"
)

// A process sleeps before one of its system calls, for every one of them, while
// others swap and collect, and perhaps remove the register and begin anew. When
// it wakes it cannot do harm, and is not told that it won when it did not.
func TestSleeperBetweenSystemCalls(t *testing.T) {
	for _, row := range []struct {
		name    string
		number  uint64 // of the register before; 0: unused
		swaps   int    // by the others meanwhile
		wipe    bool   // they also remove the register
		recycle int    // and then create it again and swap so often
	}{
		{name: "swap, others swap once", number: 7, swaps: 1},
		{name: "swap, others swap twice", number: 7, swaps: 2},
		{name: "swap, others sweep", number: 7, swaps: sweepEvery},
		{name: "sweep, others sweep", number: sweepEvery - 1, swaps: sweepEvery},
		{name: "swap, others wipe", number: 7, wipe: true},
		{name: "swap, others begin anew", number: 7, swaps: 2, wipe: true, recycle: 1},
		{name: "swap, others begin anew and catch up", number: 7, wipe: true, recycle: 8},
		{name: "sweep, others begin anew", number: sweepEvery - 1, wipe: true, recycle: 3},
		{name: "swap, others begin anew and sweep", number: 7, swaps: 1, wipe: true, recycle: sweepEvery},
		{name: "create, others create", swaps: 1},
		{name: "create, others swap", swaps: 3},
		{name: "create, others sweep", swaps: sweepEvery},
		{name: "create, others wipe", swaps: 1, wipe: true},
		{name: "create, others begin anew", swaps: 1, wipe: true, recycle: 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			for k, done := 0, false; !done; k++ {
				dir := filepath.Join(memoryDir(t), "app.db.lease")
				old := locking.Unused
				if row.number > 0 {
					old = plant(t, dir, row.number, "before")
				}
				sleeper := newSleeper(k)
				err := sleeper.run(func() error {
					_, err := New(sleeper, dir).CompareAndSwap(context.Background(), old, []byte("sleeper"))
					return err
				}, func() {
					others(t, dir, row.swaps)
					if row.wipe {
						wipe(t, dir)
						others(t, dir, row.recycle)
					}
				})
				done = !sleeper.slept
				checkSleeper(t, fmt.Sprintf("call %d (%v)", k, sleeper.last), dir, sleeper, err, row.wipe && row.recycle == 0)
			}
		})
	}
}

// checkSleeper compares what the sleeper was told with what it did, and with what
// is there now. If the others left the register unused, its creation may come
// late, and still be right.
func checkSleeper(t *testing.T, when, dir string, s *sleeper, told error, leftUnused bool) {
	t.Helper()
	switch {
	case told == nil && !s.swapped:
		t.Errorf("%s: it was told that it won, and did not", when)
	case s.swapped && told != nil && !errors.Is(told, locking.ErrDoubt):
		t.Errorf("%s: it won, and was told %v", when, told)
	case told != nil && !errors.Is(told, locking.ErrConflict) && !errors.Is(told, locking.ErrDoubt):
		t.Errorf("%s: it was told %v, want ErrConflict or ErrDoubt", when, told)
	}
	value, version, err := New(afero.NewOsFs(), dir).Read(t.Context())
	got := string(value)
	switch {
	case err != nil:
		t.Errorf("%s: %v", when, err)
	case !s.slept || leftUnused && version != locking.Unused:
		if got != "sleeper" {
			t.Errorf("%s: %q is there", when, got)
		}
	case !leftUnused && got != "others":
		t.Errorf("%s: %q is there, though the others swapped later", when, got)
	}
	// Nobody who is late leaves more than one swap can.
	if version != locking.Unused {
		others(t, dir, sweepEvery)
		checkState(t, dir, "others")
	}
}

// A reader sleeps before one of its system calls while others go on.
func TestSleepingReader(t *testing.T) {
	for _, swaps := range []int{0, 1, sweepEvery} {
		for k, done := 0, false; !done; k++ {
			dir := filepath.Join(memoryDir(t), "app.db.lease")
			plant(t, dir, 7, "before")
			sleeper := newSleeper(k)
			var value []byte
			err := sleeper.run(func() (err error) {
				value, _, err = New(sleeper, dir).Read(context.Background())
				return err
			}, func() { others(t, dir, swaps) })
			done = !sleeper.slept
			if got := string(value); err != nil || got != "before" && got != "others" {
				t.Errorf("%d swaps before call %d (%v): read %q, %v", swaps, k, sleeper.last, got, err)
			}
		}
	}
}

// A sleeper is a file system that sleeps once, before its k-th system call.
type sleeper struct {
	*hookFs
	slept   bool
	swapped bool // a rename took effect that won a swap
	last    call // the one it slept before
	asleep  chan struct{}
	awake   chan struct{}
}

func newSleeper(k int) *sleeper {
	s := &sleeper{hookFs: unsynced(), asleep: make(chan struct{}), awake: make(chan struct{})}
	skipSync, calls := s.before, 0
	s.before = func(c call) error {
		if calls == k {
			s.last, s.slept = c, true
			close(s.asleep)
			<-s.awake
		}
		calls++
		return skipSync(c)
	}
	s.after = func(c call, err error) error {
		s.swapped = s.swapped || c.isSwap() && err == nil
		return err
	}
	return s
}

// run runs f, and meanwhile once f sleeps; it then wakes f.
func (s *sleeper) run(f func() error, meanwhile func()) error {
	told := make(chan error, 1)
	go func() { told <- f() }()
	select {
	case <-s.asleep:
		meanwhile()
		close(s.awake)
		return <-told
	case err := <-told:
		return err
	}
}

// others swaps n times, as other processes.
func others(t *testing.T, dir string, n int) {
	t.Helper()
	r := New(unsynced(), dir)
	for range n {
		_, version, err := r.Read(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		mustSwap(t, r, version, "others")
	}
}

func wipe(t *testing.T, dir string) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
}
