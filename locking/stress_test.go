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
)

// A referee knows at every moment which lock may use which level, by the locks'
// own word, and notes every pair that excludes each other.
type referee struct {
	mu     sync.Mutex
	levels map[Lock]Level
	lease  map[Lock]*session // under which each level was granted
	names  map[Lock]string
	fouls  []string
	writes int
}

// enter notes that a lock was granted a level, while it is certain of it.
func (r *referee) enter(l Lock, level Level) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l.Check() != nil {
		return
	}
	for o, other := range r.levels {
		if o == l || other == None || r.lease[o].check() != nil {
			continue
		}
		if level.Writing() && other.Writing() || level == Exclusive && other > None || other == Exclusive && level > None {
			r.fouls = append(r.fouls, fmt.Sprintf("%s is at %v beside %s at %v", r.names[l], level, r.names[o], other))
		}
	}
	r.levels[l], r.lease[l] = level, l.(*place).session
	if level == Exclusive {
		r.writes++
	}
}

func (r *referee) leave(l Lock) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.levels[l] = None
}

// A faulty register delays operations, loses replies and fails, by a seed.
type faulty struct {
	*cell
	mu  sync.Mutex
	rnd *rand.Rand // guarded by mu
	cut time.Time  // guarded by mu; until then nothing gets through
}

func (f *faulty) pass(ctx context.Context) error {
	f.mu.Lock()
	delay := time.Duration(f.rnd.IntN(30)) * time.Millisecond
	if f.rnd.IntN(400) == 0 {
		// Never shorter: cutFor is to last.
		if until := time.Now().Add(time.Duration(f.rnd.IntN(25)) * time.Second); until.After(f.cut) {
			f.cut = until
		}
	}
	delay += max(0, time.Until(f.cut))
	f.mu.Unlock()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(delay):
		return nil
	}
}

func (f *faulty) Read(ctx context.Context) ([]byte, Version, error) {
	if err := f.pass(ctx); err != nil {
		return nil, "", err
	}
	value, version, err := f.cell.Read(ctx)
	if err := f.pass(ctx); err != nil {
		return nil, "", err // an answer that comes too late is none
	}
	return value, version, err
}

func (f *faulty) CompareAndSwap(ctx context.Context, old Version, value []byte) (Version, error) {
	if f.pass(ctx) != nil {
		// It is on its way, and may land long after we gave up.
		if f.chance(2) {
			go func() {
				time.Sleep(10 * time.Second)
				f.cell.CompareAndSwap(context.Background(), old, value)
			}()
		}
		return "", ErrDoubt
	}
	version, err := f.cell.CompareAndSwap(ctx, old, value)
	if f.pass(ctx) != nil || f.chance(20) {
		return "", ErrDoubt // the reply is lost
	}
	return version, err
}

// cutFor lets nothing through for d.
func (f *faulty) cutFor(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cut = time.Now().Add(d)
}

func (f *faulty) chance(n int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.rnd.IntN(n) == 0
}

// TestLevelsExcludeAcrossHosts runs four processes with three connections each
// over a register that delays, loses and fails. No two levels that exclude each
// other may be certain at once, somebody must get on, and everything must end.
func TestLevelsExcludeAcrossHosts(t *testing.T) {
	seeds := 12
	if testing.Short() {
		seeds = 8
	}
	writes, losses := 0, 0
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) {
			w, l := excludeAcrossHosts(t, uint64(seed))
			writes, losses = writes+w, losses+l
		})
	}
	t.Logf("%d seeds: %d writes, %d lost leases", seeds, writes, losses)
	if losses < seeds || writes < 10*seeds {
		t.Error("the run does not go where it should")
	}
}

func excludeAcrossHosts(t *testing.T, seed uint64) (writes, losses int) {
	reg := &cell{}
	ref := &referee{levels: make(map[Lock]Level), lease: make(map[Lock]*session), names: make(map[Lock]string)}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var coordinators sync.WaitGroup
	var mu sync.Mutex
	for p := range 4 {
		opts := Options{TTL: 10 * time.Second, Log: quiet}
		if p == 3 {
			opts.Idle = -1
		}
		f := &faulty{cell: reg, rnd: rand.New(rand.NewPCG(seed, uint64(p)))}
		c, err := NewCoordinator(f, opts)
		if err != nil {
			t.Fatal(err)
		}
		var users sync.WaitGroup
		if uint64(p) == seed%4 {
			users.Go(func() {
				n := readThroughCut(ctx, t, c, f, ref, fmt.Sprintf("process %d, cut off", p))
				mu.Lock()
				defer mu.Unlock()
				losses += n
			})
		}
		for u := range 3 {
			rnd := rand.New(rand.NewPCG(seed, uint64(100+10*p+u)))
			users.Go(func() {
				n := use(ctx, t, c, ref, rnd, fmt.Sprintf("process %d connection %d", p, u))
				mu.Lock()
				defer mu.Unlock()
				losses += n
			})
		}
		coordinators.Go(func() {
			users.Wait()
			start := time.Now()
			c.Close(context.Background())
			if took := time.Since(start); took > 4*time.Second {
				t.Errorf("seed %d: close took %v, want at most 3.4s", seed, took)
			}
		})
	}
	coordinators.Wait()
	time.Sleep(30 * time.Second) // swaps that are still on their way
	for _, foul := range ref.fouls {
		t.Errorf("seed %d: %s", seed, foul)
	}
	return ref.writes, losses
}

// use makes random transactions until ctx ends, and returns how often a lease was lost.
func use(ctx context.Context, t *testing.T, c *Coordinator, ref *referee, rnd *rand.Rand, name string) (losses int) {
	for ctx.Err() == nil {
		l, err := c.NewLock()
		if err != nil {
			t.Error(err)
			return losses
		}
		l.(SoleLock).SetSole(rnd.IntN(20) == 0)
		ref.mu.Lock()
		ref.names[l] = name
		ref.mu.Unlock()
		for ctx.Err() == nil && l.Check() == nil {
			transactAtRandom(ctx, l, ref, rnd)
			time.Sleep(time.Duration(rnd.IntN(200)) * time.Millisecond)
			if rnd.IntN(50) == 0 {
				time.Sleep(20 * time.Second)
			}
		}
		if errors.Is(l.Check(), ErrLost) {
			losses++
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
	return losses
}

// readThroughCut reads once, and is cut off for longer than the lease lasts meanwhile:
// chance alone leaves whole runs without a lost lease.
func readThroughCut(ctx context.Context, t *testing.T, c *Coordinator, f *faulty, ref *referee, name string) (losses int) {
	l, err := c.NewLock()
	if err != nil {
		t.Error(err)
		return 0
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	ref.mu.Lock()
	ref.names[l] = name
	ref.mu.Unlock()
	for l.Lock(ctx, Shared, patient(10*time.Second)) != nil {
		if ctx.Err() != nil || l.Check() != nil {
			return 0
		}
		time.Sleep(100 * time.Millisecond)
	}
	defer ref.leave(l)
	ref.enter(l, Shared)
	f.cutFor(15 * time.Second)
	time.Sleep(15 * time.Second)
	if errors.Is(l.Check(), ErrLost) {
		losses++
	}
	return losses
}

// transactAtRandom climbs as far as the dice say and comes down again.
func transactAtRandom(ctx context.Context, l Lock, ref *referee, rnd *rand.Rand) {
	defer func() {
		ref.leave(l)
		l.Unlock(None)
	}()
	climb := [][]Level{{Shared}, {Shared, Reserved}, {Shared, Reserved, Exclusive}, {Shared, Exclusive}}[rnd.IntN(4)]
	for _, level := range climb {
		if err := l.Lock(ctx, level, patient(time.Duration(rnd.IntN(10))*time.Second)); err != nil {
			return
		}
		ref.enter(l, level)
		time.Sleep(time.Duration(rnd.IntN(100)) * time.Millisecond)
	}
}
