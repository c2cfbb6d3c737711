package locking

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// A slow register takes as long for everything as one over a network may.
type slow struct {
	Register
	read, swap time.Duration
}

func (s slow) Read(ctx context.Context) ([]byte, Version, error) {
	time.Sleep(s.read)
	return s.Register.Read(ctx)
}

func (s slow) CompareAndSwap(ctx context.Context, old Version, value []byte) (Version, error) {
	time.Sleep(s.swap)
	return s.Register.CompareAndSwap(ctx, old, value)
}

// Two processes that are always busy spend most of the time on their work, whatever the
// storage, share it, and neither waits for long.
func TestTurnsFitTheStorage(t *testing.T) {
	for _, c := range []struct {
		name       string
		swap, read time.Duration
		longest    time.Duration
	}{
		{"local", time.Millisecond, 0, 400 * time.Millisecond},
		{"NFS", 40 * time.Millisecond, 8 * time.Millisecond, 1500 * time.Millisecond},
		{"SMB", 100 * time.Millisecond, 25 * time.Millisecond, 3 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				reg := slow{&cell{}, c.read, c.swap}
				const run, work = time.Minute, 2 * time.Millisecond
				var busy [2]time.Duration
				var longest [2]time.Duration
				began := time.Now()
				done := make(chan error, len(busy))
				for i := range busy {
					l := newLock(t, open(t, reg, fenced(newShelf())))
					go func() {
						for time.Since(began) < run {
							asked := time.Now()
							if err := writeAsSQLite(t, l); err != nil {
								done <- err
								return
							}
							longest[i] = max(longest[i], time.Since(asked))
							busy[i] += work
						}
						done <- nil
					}()
				}
				for range busy {
					must(t, <-done)
				}
				t.Logf("they worked for %v of %v, the longest took %v", busy[0]+busy[1], run, max(longest[0], longest[1]))
				if all := busy[0] + busy[1]; all < run*7/10 {
					t.Errorf("they worked for %v of %v", all, run)
				}
				if share := float64(busy[0]) / float64(busy[0]+busy[1]); share < .4 || share > .6 {
					t.Errorf("shares are %v", busy)
				}
				if most := max(longest[0], longest[1]); most > c.longest {
					t.Errorf("the longest took %v, want at most %v", most, c.longest)
				}
			})
		})
	}
}

// A holder that has nothing to do does not keep others waiting for the end of its turn.
func TestPauseEndsATurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := slow{&cell{}, 8 * time.Millisecond, 40 * time.Millisecond}
		one, other := newLock(t, open(t, reg, fenced(newShelf()))), newLock(t, open(t, reg, fenced(newShelf())))
		for range 10 {
			for _, l := range []Lock{one, other} {
				asked := time.Now()
				must(t, writeAsSQLite(t, l))
				if took := time.Since(asked); took > 350*time.Millisecond {
					t.Errorf("a hand-over took %v", took)
				}
			}
		}
	})
}

// Who wrote is let in alone the next time, but does not wait for that where others read.
func TestReadAfterAWriteBesideReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := slow{&cell{}, 8 * time.Millisecond, 40 * time.Millisecond}
		reader, writer := newLock(t, open(t, reg, fenced(newShelf()))), newLock(t, open(t, reg, fenced(newShelf())))
		must(t, writeAsSQLite(t, writer))
		must(t, reader.Lock(t.Context(), Shared, patient(time.Minute)))
		asked := time.Now()
		must(t, writer.Lock(t.Context(), Shared, patient(time.Minute)))
		if took := time.Since(asked); took > time.Second {
			t.Errorf("a read beside a reader waited for %v", took)
		}
	})
}

// Two that wrote read beside each other the next time.
func TestReadersThatWrote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := slow{&cell{}, 8 * time.Millisecond, 40 * time.Millisecond}
		one, other := newLock(t, open(t, reg, fenced(newShelf()))), newLock(t, open(t, reg, fenced(newShelf())))
		must(t, writeAsSQLite(t, one))
		must(t, writeAsSQLite(t, other))
		must(t, one.Lock(t.Context(), Shared, patient(time.Minute)))
		asked := time.Now()
		must(t, other.Lock(t.Context(), Shared, patient(time.Minute)))
		if took := time.Since(asked); took > time.Second {
			t.Errorf("a read beside a reader waited for %v", took)
		}
	})
}
