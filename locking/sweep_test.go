package locking

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A drawer is a shelf on which removals can be slow or fail, and on which nothing is
// copied over what is there.
type drawer struct {
	*shelf
	slow, sooner time.Duration // how long a removal takes, and another one after the first

	mu      sync.Mutex
	fails   error    // guarded by mu; what removals come to, if they do not work
	removed []string // guarded by mu; what was to be removed, in order
}

func (d *drawer) Copy(ctx context.Context, from, to string, progress func(copied, total int64)) error {
	if slices.Contains(d.names(), to) {
		return fs.ErrExist
	}
	return d.shelf.Copy(ctx, from, to, progress)
}

func (d *drawer) Remove(ctx context.Context, name string) error {
	d.mu.Lock()
	d.removed = append(d.removed, name)
	took, fails := d.slow, d.fails
	d.slow = d.sooner
	d.mu.Unlock()
	select {
	case <-time.After(took):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if fails != nil {
		return fails
	}
	return d.shelf.Remove(ctx, name)
}

func (d *drawer) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fails = err
}

func (d *drawer) removals() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.removed)
}

func inDrawer(d *drawer) Options { return Options{TTL: 10 * time.Second, Storage: d, Log: quiet} }

// put has the register hold that record.
func put(t *testing.T, reg *cell, r Record) {
	t.Helper()
	r.Format, r.Serial = RecordFormat, r.Serial+1
	value, err := r.Encode()
	must(t, err)
	_, err = reg.CompareAndSwap(t.Context(), reg.version(), value)
	must(t, err)
}

// leftWith is the record of a database that was taken over by somebody who died
// before it removed the plain name.
func leftWith(file string) Record {
	gone := Self()
	return Record{Epoch: 3, ID: "register", Database: "app.db", Fence: true, File: file, Removing: &gone}
}

const copyOfTwo = "app.db@2-0123abcd"

func TestSettleByForceWaitsForTheRemovalOfThePlainName(t *testing.T) {
	for _, slow := range []time.Duration{0, 5 * time.Millisecond, 2 * time.Second, 20 * time.Second} {
		for name, stale := range map[string]bool{"gone": false, "still there": true} {
			t.Run(slow.String()+", "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					reg, files := &cell{}, &drawer{shelf: &shelf{files: map[string][]int{copyOfTwo: {7}}}, slow: slow}
					if stale {
						files.files["app.db"] = []int{1}
					}
					put(t, reg, leftWith(copyOfTwo))
					must(t, open(t, reg, inDrawer(files)).Settle(t.Context(), true))
					time.Sleep(time.Minute)
					if r := reg.record(t); r.File != "" || r.Removing != nil {
						t.Errorf("settled by force, the record names %q, and %v is at work on the plain name", r.File, r.Removing)
					}
					if diff := cmp.Diff(map[string][]int{"app.db": {7}}, files.content()); diff != "" {
						t.Errorf("files (-want +got):\n%s", diff)
					}
				})
			})
		}
	}
}

func TestSettleByForceRefusesAfterARemovalInDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg, files := &cell{}, &drawer{shelf: &shelf{files: map[string][]int{copyOfTwo: {7}}}, fails: syscall.EIO}
		put(t, reg, leftWith(copyOfTwo))
		c := open(t, reg, inDrawer(files))
		if err := c.Settle(t.Context(), true); !errors.Is(err, syscall.EIO) {
			t.Errorf("settle: %v, want what the removal came to", err)
		}
		l, where := enter(t, c, time.Minute)
		must(t, l.Unlock(None))
		if where.File != copyOfTwo || files.copies() != 0 {
			t.Errorf("after it the database is in %q, and %d copies were begun", where.File, files.copies())
		}
		files.fail(nil)
		must(t, open(t, reg, inDrawer(files)).Settle(t.Context(), true)) // as another process
	})
}

func TestSettleByForceGivesUpOnARemovalThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := &cell{}
		files := &drawer{shelf: &shelf{files: map[string][]int{copyOfTwo: {7}}}, slow: time.Minute}
		put(t, reg, leftWith(copyOfTwo))
		c := open(t, reg, inDrawer(files))
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		err := c.Settle(ctx, true)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "still being removed") {
			t.Errorf("settle: %v, want the end of the context and what it waited for", err)
		}
		time.Sleep(2 * time.Minute)
		if r := reg.record(t); r.File != copyOfTwo || files.copies() != 0 {
			t.Errorf("the record names %q, and %d copies were begun", r.File, files.copies())
		}
		must(t, c.Settle(t.Context(), true))
	})
}

// The session that began the removal is lost, and the removal goes on.
func TestSettleByForceWaitsForTheRemovalThatWasBegunBeforeALoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := &cell{}
		files := &drawer{shelf: &shelf{files: map[string][]int{copyOfTwo: {7}}}, slow: 20 * time.Second}
		put(t, reg, leftWith(copyOfTwo))
		c := open(t, reg, inDrawer(files))
		l, _ := enter(t, c, time.Minute)
		must(t, l.Lock(t.Context(), Exclusive, patient(time.Second)))
		synctest.Wait()
		if removed := files.removals(); len(removed) != 1 {
			t.Fatalf("removals: %q", removed)
		}
		must(t, files.shelf.Remove(t.Context(), copyOfTwo))
		files.files["app.db@4-0123abcd"] = []int{7, 8}
		evicted := leftWith("app.db@4-0123abcd")
		evicted.Epoch = 5
		put(t, reg, evicted)
		time.Sleep(5 * time.Second)
		must(t, l.Close())
		must(t, c.Settle(t.Context(), true))
		time.Sleep(time.Minute)
		if diff := cmp.Diff(map[string][]int{"app.db": {7, 8}}, files.content()); diff != "" {
			t.Errorf("files (-want +got):\n%s", diff)
		}
	})
}

// What was removed once is there again after it was settled.
func TestPlainNameIsRemovedAfterEachTakeoverFromIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg, files := &cell{}, newShelf()
		c := open(t, reg, fenced(files))
		for range 3 {
			silent := freeze(t, reg, fenced(files), Exclusive)
			if file := silent.Current().File; file != "" {
				t.Fatalf("the database is in %q before it is taken over", file)
			}
			l, where := enter(t, c, time.Minute)
			time.Sleep(time.Second)
			if diff := cmp.Diff([]string{where.File}, files.names()); diff != "" {
				t.Errorf("files after a takeover (-want +got):\n%s", diff)
			}
			if r := reg.record(t); r.Removing != nil {
				t.Errorf("all is removed, and %v is said to be at work on the plain name", r.Removing)
			}
			must(t, l.Unlock(None))
			must(t, open(t, reg, fenced(files)).Settle(t.Context(), false))
		}
	})
}

func TestCopiesThatFailDoNotFillTheRecord(t *testing.T) {
	for name, stays := range map[string]error{"removed": nil, "not removed": syscall.EROFS} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				reg, files := &cell{}, &drawer{shelf: newShelf(), fails: stays}
				freeze(t, reg, inDrawer(files), Exclusive)
				files.fault = func(int, string) error { return syscall.ENOSPC }
				l := newLock(t, open(t, reg, inDrawer(files)))
				for range 3 * maxOld {
					if err := l.Lock(t.Context(), Shared, patient(time.Minute)); !errors.Is(err, syscall.ENOSPC) {
						t.Fatalf("lock: %v, want no space", err)
					}
					time.Sleep(time.Second)
				}
				most := 0
				if stays != nil {
					most = maxOld
				}
				if n := len(reg.record(t).Old); n != most {
					t.Errorf("the record names %d copies that are to be removed, want %d", n, most)
				}
				files.fault = nil
				files.fail(nil)
				must(t, l.Lock(t.Context(), Shared, patient(time.Minute)))
				time.Sleep(time.Second)
				if old := reg.record(t).Old; len(old) > 0 {
					t.Errorf("the record goes on naming %q", old)
				}
			})
		})
	}
}

// Those who crashed in the middle of a takeover left so much that there is no room for
// another copy.
func TestLeftoversMakeRoomForTheCopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := &cell{}
		files := &drawer{shelf: newShelf(), slow: time.Second, sooner: time.Second}
		gone := Self()
		left := Record{Epoch: 3, ID: "register", Database: "app.db", Fence: true, Old: []string{"app.db@2-00000001", copyOfTwo}, Takeover: &Takeover{From: gone}}
		for _, name := range left.Old {
			files.files[name] = nil
		}
		put(t, reg, left)
		files.fault = func(int, string) error {
			if len(files.files) > 1 {
				return syscall.ENOSPC
			}
			return nil
		}
		opts := inDrawer(files)
		opts.Timeout = 8 * time.Second
		l, where := enter(t, open(t, reg, opts), time.Minute)
		must(t, l.Unlock(None))
		time.Sleep(10 * time.Second)
		if diff := cmp.Diff([]string{where.File}, files.names()); diff != "" {
			t.Errorf("files (-want +got):\n%s", diff)
		}
		if r := reg.record(t); len(r.Old) > 0 || r.Removing != nil {
			t.Errorf("all is removed, and the record says that it is not: %q, %v", r.Old, r.Removing)
		}
	})
}

func TestCopyDoesNotWaitForARemovalThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg, files := &cell{}, &drawer{shelf: newShelf(), slow: time.Hour}
		gone := Self()
		put(t, reg, Record{Epoch: 3, ID: "register", Database: "app.db", Fence: true, Old: []string{copyOfTwo}, Takeover: &Takeover{From: gone}})
		began := time.Now()
		enter(t, open(t, reg, inDrawer(files)), time.Minute)
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("the takeover took %v", took)
		}
	})
}
