package locking

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A ledger is what was acknowledged, in order.
type ledger struct {
	mu    sync.Mutex
	acked []int // guarded by mu
	next  int   // guarded by mu
	lost  int   // guarded by mu; commits that were refused
}

// TestNoAcknowledgedCommitIsLostWhateverClocksSay runs processes whose connections
// never look at their lease's deadline: each reads the database, sleeps for as long
// as it likes, writes the whole of it, and takes its commit for done if it can be
// verified. The register delays, loses and fails meanwhile.
func TestNoAcknowledgedCommitIsLostWhateverClocksSay(t *testing.T) {
	seeds := 10
	if testing.Short() {
		seeds = 3
	}
	acked, lost, moved := 0, 0, 0
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) {
			book, files := commitWithoutClocks(t, uint64(seed))
			acked, lost, moved = acked+len(book.acked), lost+book.lost, moved+len(files.copied)
		})
	}
	t.Logf("%d seeds: %d commits, %d refused, %d copies", seeds, acked, lost, moved)
	if acked < 20*seeds || lost < seeds || moved < seeds {
		t.Error("the run does not go where it should")
	}
}

func commitWithoutClocks(t *testing.T, seed uint64) (*ledger, *shelf) {
	reg, files, book := &cell{}, newShelf(), &ledger{}
	files.slow = 3 * time.Second
	rnd := rand.New(rand.NewPCG(seed, 99))
	files.fault = func(int, string) error {
		switch rnd.IntN(6) {
		case 0:
			return ErrMoved
		case 1:
			return errors.New("no space")
		}
		return nil
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	var users sync.WaitGroup
	var once sync.Once
	for p := range 3 {
		f := &faulty{cell: reg, rnd: rand.New(rand.NewPCG(seed, uint64(p)))}
		cutOff := func() { once.Do(func() { f.cutFor(15 * time.Second) }) }
		c, err := NewCoordinator(f, fenced(files))
		if err != nil {
			t.Fatal(err)
		}
		users.Go(func() {
			defer c.Close(context.Background())
			var conns sync.WaitGroup
			for u := range 2 {
				rnd := rand.New(rand.NewPCG(seed, uint64(100+10*p+u)))
				conns.Go(func() { commitAtRandom(ctx, t, c, files, book, rnd, cutOff) })
			}
			conns.Wait()
		})
	}
	users.Wait()
	time.Sleep(time.Minute) // swaps that are still on their way

	r := reg.record(t)
	name := r.File
	if name == "" {
		name = "app.db"
	}
	if diff := cmp.Diff(book.acked, common(book.acked, files.files[name])); diff != "" {
		t.Errorf("seed %d: acknowledged commits in %s (-want +got):\n%s", seed, name, diff)
	}
	return book, files
}

// common returns those of want that are in got, in the order of got.
func common(want, got []int) (both []int) {
	wanted := make(map[int]bool)
	for _, n := range want {
		wanted[n] = true
	}
	for _, n := range got {
		if wanted[n] {
			both = append(both, n)
		}
	}
	return both
}

// commitAtRandom makes commits until ctx ends, on one connection after the other.
func commitAtRandom(ctx context.Context, t *testing.T, c *Coordinator, files *shelf, book *ledger, rnd *rand.Rand, cutOff func()) {
	for ctx.Err() == nil {
		l, err := c.NewLock()
		if err != nil {
			t.Error(err)
			return
		}
		for ctx.Err() == nil && l.Check() == nil {
			if err := commitOne(ctx, l, files, book, rnd, cutOff); err != nil {
				break
			}
			time.Sleep(time.Duration(rnd.IntN(500)) * time.Millisecond)
		}
		l.Close()
	}
}

// commitOne makes a commit. Before it is verified cutOff lets nothing through for longer
// than a verification lasts, once in a run: chance alone leaves whole runs without a refusal.
func commitOne(ctx context.Context, l Lock, files *shelf, book *ledger, rnd *rand.Rand, cutOff func()) error {
	defer l.Unlock(None)
	for _, level := range []Level{Shared, Reserved, Exclusive} {
		if err := l.Lock(ctx, level, patient(time.Duration(rnd.IntN(20))*time.Second)); err != nil {
			return nil
		}
	}
	name := l.Current().File
	if name == "" {
		name = "app.db"
	}
	files.mu.Lock()
	was, ok := files.files[name]
	files.mu.Unlock()
	if !ok {
		return fmt.Errorf("%s is gone", name) // it was taken over long ago
	}
	time.Sleep(time.Duration(rnd.IntN(100)) * time.Millisecond)
	if rnd.IntN(20) == 0 {
		time.Sleep(time.Duration(rnd.IntN(60)) * time.Second)
	}
	book.mu.Lock()
	book.next++
	n := book.next
	book.mu.Unlock()
	files.mu.Lock()
	if _, ok := files.files[name]; ok {
		files.files[name] = append(was[:len(was):len(was)], n)
	}
	files.mu.Unlock()
	time.Sleep(time.Duration(rnd.IntN(20)) * time.Millisecond)

	cutOff()
	err := l.Verify()
	book.mu.Lock()
	defer book.mu.Unlock()
	if err != nil {
		book.lost++
		return err
	}
	book.acked = append(book.acked, n)
	if rnd.IntN(40) == 0 {
		return l.Doubt(errors.New("it was not certain"))
	}
	return nil
}
