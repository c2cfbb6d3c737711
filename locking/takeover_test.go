package locking

import (
	"context"
	"errors"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestExpiredWriterIsTakenOverByCopy(t *testing.T) {
	for _, level := range []Level{Reserved, Exclusive} {
		t.Run(level.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				reg, files := &cell{}, newShelf()
				freeze(t, reg, fenced(files), level)
				c := open(t, reg, fenced(files))
				l := newLock(t, c)
				must(t, l.Lock(t.Context(), Shared, patient(time.Minute)))
				if level == Reserved {
					must(t, l.Lock(t.Context(), Reserved, patient(time.Minute)))
				}
				r := reg.record(t)
				if database, epoch, ok := ParseFileName(r.File); !ok || database != "app.db" || epoch != r.Epoch || r.Takeover != nil {
					t.Fatalf("the record names %q at epoch %d, with takeover %v", r.File, r.Epoch, r.Takeover)
				}
				if got := l.Current(); got.File != r.File || got.Register != r.ID || got.Register == "" {
					t.Errorf("Current is %+v, and the record names %q of %q", got, r.File, r.ID)
				}
				time.Sleep(time.Second)
				if diff := cmp.Diff([]string{r.File}, files.names()); diff != "" {
					t.Errorf("files (-want +got):\n%s", diff)
				}
				if r := reg.record(t); r.Removing != nil || len(r.Old) > 0 {
					t.Errorf("all is removed, and the record says that it is not: %v %v", r.Removing, r.Old)
				}
			})
		})
	}
}

func TestExpiredReaderNeedsNoCopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg, files := &cell{}, newShelf()
		freeze(t, reg, fenced(files), Shared)
		c := open(t, reg, fenced(files))
		transact(t, newLock(t, c), time.Minute)
		if n := files.copies(); n != 0 {
			t.Errorf("%d copies", n)
		}
	})
}

func TestCleanHandOverNeedsNoCopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg, files := &cell{}, newShelf()
		a, b := open(t, reg, fenced(files)), open(t, reg, fenced(files))
		for range 5 {
			transact(t, newLock(t, a), time.Minute)
			transact(t, newLock(t, b), time.Minute)
		}
		must(t, a.Close(t.Context()))
		transact(t, newLock(t, b), time.Minute)
		if n, r := files.copies(), reg.record(t); n != 0 || r.File != "" {
			t.Errorf("%d copies, and the database is in %q", n, r.File)
		}
	})
}

func TestNobodyIsLetInBeforeTheCopyIsMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg, files := &cell{}, newShelf()
		files.slow = time.Minute
		freeze(t, reg, fenced(files), Exclusive)
		a, b := open(t, reg, fenced(files)), open(t, reg, fenced(files))
		for name, c := range map[string]*Coordinator{"the one that copies": a, "another one": b} {
			err := newLock(t, c).Lock(t.Context(), Shared, patient(20*time.Second))
			var held *HeldError
			if !errors.As(err, &held) || held.Takeover == nil {
				t.Errorf("%s: %v, want a HeldError with what is under way", name, err)
			}
		}
		r := reg.record(t)
		if r.Takeover == nil || r.Takeover.Copied != 50 || r.Takeover.Total != 100 {
			t.Errorf("the record says %+v of the takeover", r.Takeover)
		}
		_, where := enter(t, b, time.Hour)
		if n := files.copies(); n != 1 || where.File == "" {
			t.Errorf("%d copies; the database is in %q", n, where.File)
		}
	})
}

func TestTakeoverWaitsForReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg, files := &cell{}, newShelf()
		a, b := open(t, reg, fenced(files)), open(t, reg, fenced(files))
		remote, _ := enter(t, a, time.Minute)
		freeze(t, reg, fenced(files), Reserved)
		local, _ := enter(t, b, time.Minute)

		climb := newLock(t, b)
		must(t, climb.Lock(t.Context(), Shared, patient(time.Minute)))
		err := climb.Lock(t.Context(), Reserved, patient(30*time.Second))
		if !errors.Is(err, ErrHeld) {
			t.Fatalf("RESERVED beside readers of a file that must be copied: %v", err)
		}
		climb.Unlock(None)
		if n := files.copies(); n != 0 {
			t.Fatalf("%d copies while there are readers", n)
		}
		must(t, local.Check())
		must(t, remote.Check())
		must(t, local.Unlock(None))
		must(t, remote.Unlock(None))
		transact(t, climb, time.Minute)
		if n := files.copies(); n != 1 {
			t.Errorf("%d copies after the readers left", n)
		}
	})
}

func TestFailedCopyLeavesEverythingAsItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg, files := &cell{}, newShelf()
		files.fault = func(n int, _ string) error {
			if n <= 2 {
				return syscall.ENOSPC
			}
			return nil
		}
		freeze(t, reg, fenced(files), Exclusive)
		c := open(t, reg, fenced(files))
		l := newLock(t, c)
		if err := l.Lock(t.Context(), Shared, patient(time.Minute)); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("lock: %v, want no space", err)
		}
		time.Sleep(time.Second)
		if r := reg.record(t); r.File != "" || r.Takeover == nil || len(r.Entries) != 0 {
			t.Errorf("after a failed copy the record is %+v", r)
		}
		for files.copies() < 3 {
			l.Lock(t.Context(), Shared, patient(time.Minute))
		}
		must(t, l.Check())
		time.Sleep(time.Second)
		if diff := cmp.Diff([]string{l.Current().File}, files.names()); diff != "" {
			t.Errorf("files (-want +got):\n%s", diff)
		}
	})
}

func TestSpoiltCopyIsMadeAnewUnderAnotherName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg, files := &cell{}, newShelf()
		files.fault = func(n int, _ string) error {
			if n <= 3 {
				return ErrMoved
			}
			return nil
		}
		freeze(t, reg, fenced(files), Exclusive)
		enter(t, open(t, reg, fenced(files)), time.Minute)
		names := slices.Clone(files.copied)
		slices.Sort(names)
		if len(slices.Compact(names)) != 4 {
			t.Errorf("copies by the names %q", files.copied)
		}
	})
}

func TestDeadCopierIsTakenOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg, files := &cell{}, newShelf()
		freeze(t, reg, fenced(files), Exclusive)

		files.slow = 25 * time.Second
		silent := &mute{cell: reg}
		dead := open(t, silent, fenced(files))
		newLock(t, dead).Lock(t.Context(), Shared, patient(20*time.Second))
		silent.off.Lock()
		silent.silent = true
		silent.off.Unlock()
		if files.copies() != 1 {
			t.Fatalf("%d copies under way", files.copies())
		}

		c := open(t, reg, fenced(files))
		_, where := enter(t, c, time.Hour)
		if where.File != files.copied[1] {
			t.Errorf("the database is in %q, of %q", where.File, files.copied)
		}
		time.Sleep(time.Minute)
		if r := reg.record(t); r.File != where.File || len(r.Old) != 0 {
			t.Errorf("the record names %q, and %q as old", r.File, r.Old)
		}
	})
}

func TestDoubtIsNeverReleasedAsClean(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg, files := &cell{}, newShelf()
		c := open(t, reg, fenced(files))
		l := newLock(t, c)
		must(t, l.Lock(t.Context(), Shared, nil))
		must(t, l.Lock(t.Context(), Exclusive, nil))
		if err := l.Doubt(syscall.EIO); !errors.Is(err, ErrLost) || !errors.Is(err, syscall.EIO) || !errors.Is(l.Check(), ErrLost) {
			t.Errorf("after doubt: %v, Check %v", err, l.Check())
		}
		l.Close()
		_, where := enter(t, c, time.Second)
		if where.File == "" || files.copies() != 1 {
			t.Errorf("the same process goes on in %q after %d copies", where.File, files.copies())
		}
	})
}

func TestCloseEndsACopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg, files := &cell{}, newShelf()
		files.slow = time.Hour
		freeze(t, reg, fenced(files), Exclusive)
		c := open(t, reg, fenced(files))
		newLock(t, c).Lock(t.Context(), Shared, patient(20*time.Second))
		began := time.Now()
		must(t, c.Close(t.Context()))
		if took := time.Since(began); took > time.Second {
			t.Errorf("Close took %v", took)
		}
		if r := reg.record(t); r.Takeover == nil || r.Takeover.By != "" || len(r.Entries) != 0 || len(r.Old) != 0 {
			t.Errorf("it left the record %+v", r)
		}
	})
}

func TestFenceIsAgreedOn(t *testing.T) {
	for _, test := range []struct {
		name          string
		first, second Options
	}{
		{"on, off", fenced(newShelf()), Options{Log: quiet}},
		{"off, on", Options{Log: quiet}, fenced(newShelf())},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				reg := &cell{}
				enter(t, open(t, reg, test.first), time.Second)
				c := open(t, reg, test.second)
				if err := newLock(t, c).Lock(t.Context(), Shared, patient(time.Second)); !errors.Is(err, ErrRecord) {
					t.Errorf("lock: %v, want ErrRecord", err)
				}
			})
		})
	}
}

type otherName struct{ *shelf }

func (otherName) Name() string { return "other.db" }

func TestRegisterOfAnotherDatabaseIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := &cell{}
		c := open(t, reg, fenced(newShelf()))
		transact(t, newLock(t, c), time.Second)
		must(t, c.Close(t.Context()))
		opts := fenced(nil)
		opts.Storage = otherName{newShelf()}
		if err := newLock(t, open(t, reg, opts)).Lock(t.Context(), Shared, patient(time.Second)); !errors.Is(err, ErrRecord) {
			t.Errorf("lock: %v, want ErrRecord", err)
		}
	})
}

// stuck is a storage on which nothing can be removed.
type stuck struct {
	*shelf
	free chan struct{}
}

func (s stuck) Remove(context.Context, string) error {
	<-s.free
	return nil
}

func TestRemovalThatHangsHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg, files := &cell{}, newShelf()
		freeze(t, reg, fenced(files), Exclusive)
		opts := fenced(files)
		hangs := stuck{files, make(chan struct{})}
		opts.Storage = hangs
		a, b := open(t, reg, opts), open(t, reg, fenced(files))
		l, _ := enter(t, a, time.Minute)
		must(t, l.Unlock(None))
		began := time.Now()
		transact(t, newLock(t, b), time.Minute)
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("the hand-over took %v", took)
		}
		began = time.Now()
		if err := a.Close(t.Context()); err == nil || time.Since(began) > 5*time.Second {
			t.Errorf("Close: %v after %v, want an error within 5s", err, time.Since(began))
		}
		close(hangs.free)
	})
}

func TestCloseWaitsForTheRemoval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg, files := &cell{}, newShelf()
		freeze(t, reg, fenced(files), Exclusive)
		opts := fenced(files)
		hangs := stuck{files, make(chan struct{})}
		opts.Storage = hangs
		c := open(t, reg, opts)
		enter(t, c, time.Minute)
		go func() {
			time.Sleep(time.Second)
			close(hangs.free)
		}()
		for l := range c.places {
			l.Close()
		}
		must(t, c.Close(t.Context()))
		if r := reg.record(t); r.Removing != nil {
			t.Errorf("the plain name is gone, and %v is said to be at work on it", r.Removing)
		}
	})
}
