package flock

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/holdfastdb/holdfast/locking"
)

// newDatabase makes a file to lock. What it holds is all the same to the kernel.
func newDatabase(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "app.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func newLocker(t testing.TB, database string) locking.Locker {
	t.Helper()
	l, err := New(database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return l
}

func newLock(t testing.TB, l locking.Locker) *lock {
	t.Helper()
	k, err := l.NewLock()
	if err != nil {
		t.Fatal(err)
	}
	return k.(*lock)
}

// climb takes one level after the other, by one try each.
func climb(t testing.TB, k *lock, levels ...locking.Level) {
	t.Helper()
	for _, level := range levels {
		if err := k.Lock(context.Background(), level, nil); err != nil {
			t.Fatalf("lock at %v: %v", level, err)
		}
		if k.Level() != level {
			t.Fatalf("level = %v, want %v", k.Level(), level)
		}
	}
}

func wantHeld(t testing.TB, err error, want locking.HeldError) {
	t.Helper()
	var held *locking.HeldError
	if !errors.As(err, &held) || !errors.Is(err, locking.ErrHeld) {
		t.Fatalf("error = %v, want a HeldError", err)
	}
	if diff := cmp.Diff(want, *held); diff != "" {
		t.Errorf("HeldError (-want +got):\n%s", diff)
	}
}

const (
	none      = locking.None
	shared    = locking.Shared
	reserved  = locking.Reserved
	pending   = locking.Pending
	exclusive = locking.Exclusive
)

// way is how to get to a level.
var way = map[locking.Level][]locking.Level{
	none:      {},
	shared:    {shared},
	reserved:  {shared, reserved},
	exclusive: {shared, reserved, exclusive},
}

// Two connections, one at a level, and what the other can have.
func TestLevelsExclude(t *testing.T) {
	tests := []struct {
		first, second, wanted locking.Level
		free                  bool
		left                  locking.Level // of the second, if not free
	}{
		{none, none, shared, true, 0},
		{shared, none, shared, true, 0},
		{reserved, none, shared, true, 0},
		{pending, none, shared, false, none},
		{exclusive, none, shared, false, none},
		{none, shared, reserved, true, 0},
		{shared, shared, reserved, true, 0},
		{reserved, shared, reserved, false, shared},
		{pending, shared, reserved, false, shared},
		{none, reserved, exclusive, true, 0},
		{shared, reserved, exclusive, false, pending},
		{none, shared, exclusive, true, 0},
		{shared, shared, exclusive, false, shared},
		{reserved, shared, exclusive, false, shared},
		{pending, shared, exclusive, false, shared},
	}
	for _, tt := range tests {
		t.Run(strings.Join([]string{tt.first.String(), tt.second.String(), tt.wanted.String()}, " "), func(t *testing.T) {
			l := newLocker(t, newDatabase(t))
			first, second, reader := newLock(t, l), newLock(t, l), newLock(t, l)
			climb(t, second, way[min(tt.second, shared)]...)
			if tt.first == pending {
				climb(t, reader, shared)
				climb(t, first, shared, reserved)
				wantBusy(t, first.Lock(context.Background(), exclusive, nil))
				if tt.wanted != exclusive {
					climbDown(t, reader, none)
				}
			} else {
				climb(t, first, way[tt.first]...)
			}
			if first.Level() != tt.first {
				t.Fatalf("the first got to %v, want %v", first.Level(), tt.first)
			}
			if tt.second > shared {
				climb(t, second, way[tt.second][1:]...)
			}
			err := second.Lock(context.Background(), tt.wanted, nil)
			if tt.free {
				if err != nil || second.Level() != tt.wanted {
					t.Fatalf("level %v, error %v, want %v", second.Level(), err, tt.wanted)
				}
				return
			}
			wantHeld(t, errors.Unwrap(err), locking.HeldError{Holder: l.(*locker).self, Level: tt.first, Wanted: tt.wanted})
			if second.Level() != tt.left {
				t.Errorf("level after giving up = %v, want %v", second.Level(), tt.left)
			}
		})
	}
}

func wantBusy(t testing.TB, err error) {
	t.Helper()
	if !errors.Is(err, locking.ErrHeld) {
		t.Fatalf("error = %v, want %v", err, locking.ErrHeld)
	}
}

func climbDown(t testing.TB, k *lock, to locking.Level) {
	t.Helper()
	if err := k.Unlock(to); err != nil || k.Level() != to {
		t.Fatalf("unlock to %v: level %v, error %v", to, k.Level(), err)
	}
}

// What a level kept from others is free again once it is lowered.
func TestUnlockFrees(t *testing.T) {
	for _, from := range []locking.Level{shared, reserved, pending, exclusive} {
		for _, to := range []locking.Level{shared, none} {
			t.Run(from.String()+" to "+to.String(), func(t *testing.T) {
				l := newLocker(t, newDatabase(t))
				k, other, reader := newLock(t, l), newLock(t, l), newLock(t, l)
				if from == pending {
					climb(t, reader, shared)
					climb(t, k, shared, reserved)
					wantBusy(t, k.Lock(context.Background(), exclusive, nil))
					climbDown(t, reader, none)
				} else {
					climb(t, k, way[from]...)
				}
				climbDown(t, k, to)
				climb(t, other, shared, reserved)
				err := other.Lock(context.Background(), exclusive, nil)
				if to == none && err != nil {
					t.Errorf("exclusive beside nobody: %v", err)
				}
				if to == shared {
					wantBusy(t, err)
				}
			})
		}
	}
}

func TestIllegalMoves(t *testing.T) {
	l := newLocker(t, newDatabase(t))
	for _, tt := range []struct{ from, to locking.Level }{
		{none, reserved}, {none, pending}, {none, exclusive}, {shared, pending}, {reserved, pending}, {none, 5}, {exclusive, 9},
	} {
		k := newLock(t, l)
		climb(t, k, way[tt.from]...)
		if err := k.Lock(context.Background(), tt.to, nil); err == nil || errors.Is(err, locking.ErrHeld) || k.Level() != tt.from {
			t.Errorf("from %v to %v: level %v, error %v, want it refused", tt.from, tt.to, k.Level(), err)
		}
		if err := k.Unlock(reserved); err == nil {
			t.Error("unlock to RESERVED: no error")
		}
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	}
	k := newLock(t, l)
	climb(t, k, way[exclusive]...)
	for level := none; level <= exclusive; level++ {
		if err := k.Lock(context.Background(), level, nil); err != nil || k.Level() != exclusive {
			t.Errorf("%v at EXCLUSIVE: level %v, error %v, want no change", level, k.Level(), err)
		}
	}
}

func TestReserved(t *testing.T) {
	for _, tt := range []struct {
		level locking.Level
		want  bool
	}{{none, false}, {shared, false}, {reserved, true}, {exclusive, true}} {
		l := newLocker(t, newDatabase(t))
		k, other := newLock(t, l), newLock(t, l)
		climb(t, k, way[tt.level]...)
		for who, k := range map[string]*lock{"another": other, "itself": k} {
			if got, err := k.Reserved(context.Background()); err != nil || got != tt.want {
				t.Errorf("at %v, asked by %s: Reserved() = %v, %v, want %v", tt.level, who, got, err, tt.want)
			}
		}
	}
}

// From SHARED nobody waits: neither for a writer that waits for the readers to
// leave, nor for another reader that found the same hot journal.
func TestNoWaitFromShared(t *testing.T) {
	for _, wanted := range []locking.Level{reserved, exclusive} {
		l := newLocker(t, newDatabase(t))
		k, other := newLock(t, l), newLock(t, l)
		climb(t, other, shared, reserved)
		climb(t, k, shared)
		wantBusy(t, k.Lock(context.Background(), wanted, func() bool {
			t.Errorf("%v: asked whether to wait", wanted)
			return false
		}))
	}
}

// In a bubble time passes only while everybody waits.
func TestWaits(t *testing.T) {
	database := newDatabase(t)
	for _, start := range []locking.Level{none, reserved, pending} {
		synctest.Test(t, func(t *testing.T) {
			l := newLocker(t, database)
			k, other := newLock(t, l), newLock(t, l)
			wanted := shared
			if start == none {
				climb(t, other, way[exclusive]...)
			} else {
				wanted = exclusive
				climb(t, k, way[reserved]...)
				climb(t, other, shared)
			}
			if start == pending {
				wantBusy(t, k.Lock(t.Context(), exclusive, nil))
			}
			began := time.Now()
			asked := 0
			wantBusy(t, k.Lock(t.Context(), wanted, func() bool { asked++; return asked < 8 }))
			if got, want := time.Since(began), (1+2+4+8+10+10+10)*time.Millisecond; got != want || asked != 8 {
				t.Errorf("from %v: gave up after %v and %d questions, want %v and 8", start, got, asked, want)
			}

			go func() {
				time.Sleep(10 * time.Second)
				climbDown(t, other, none)
			}()
			if err := k.Lock(t.Context(), wanted, func() bool { return true }); err != nil {
				t.Errorf("from %v: %v", start, err)
			}
			if got := time.Since(began).Round(time.Second); got != 10*time.Second {
				t.Errorf("from %v: got %v after %v, want 10s", start, wanted, got)
			}
		})
	}
}

func TestDeadlineEndsWait(t *testing.T) {
	database := newDatabase(t)
	synctest.Test(t, func(t *testing.T) {
		l := newLocker(t, database)
		k, other := newLock(t, l), newLock(t, l)
		climb(t, other, way[exclusive]...)
		cause := errors.New("the caller went home")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, cause)
		defer cancel()
		began := time.Now()
		err := k.Lock(ctx, shared, func() bool { return true })
		if !errors.Is(err, cause) || time.Since(began) != time.Minute {
			t.Errorf("error %v after %v, want %v after a minute", err, time.Since(began), cause)
		}
		// A busy handler may end because of the deadline too.
		if err := k.Lock(ctx, shared, func() bool { return false }); !errors.Is(err, cause) {
			t.Errorf("error %v after the deadline, want %v", err, cause)
		}
	})
}

func TestReadOnly(t *testing.T) {
	database := newDatabase(t)
	l := newLocker(t, database)
	var k *lock
	asReader(t, database, func() { k = newLock(t, l) })
	climb(t, k, shared)
	for _, level := range []locking.Level{reserved, exclusive} {
		if err := k.Lock(context.Background(), level, nil); !errors.Is(err, fs.ErrPermission) || k.Level() != shared {
			t.Errorf("%v on a read-only file: level %v, error %v, want %v", level, k.Level(), err, fs.ErrPermission)
		}
	}
	writer := newLock(t, l)
	climb(t, writer, shared, reserved)
	wantBusy(t, writer.Lock(context.Background(), exclusive, nil))
}
