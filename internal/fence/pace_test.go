package fence

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// However fast or slow the storage is, and whether what was copied is written at once
// or only by a sync, no sync takes much longer than a moment once the pace is found.
func TestPaceFitsTheStorage(t *testing.T) {
	for name, second := range map[string]int64{"slow": 3 << 20, "middling": 40 << 20, "fast": 2 << 30} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var p pace
				var held int64
				var longest time.Duration
				syncs := 0
				const size = 1 << 30
				for copied := int64(0); copied < size; {
					n := min(p.left(), bufferSize)
					held += n
					copied += n
					err := p.advance(n, func() error {
						took := time.Duration(float64(held) / float64(second) * float64(time.Second))
						time.Sleep(took)
						longest = max(longest, took)
						held = 0
						syncs++
						return nil
					})
					if err != nil {
						t.Fatal(err)
					}
				}
				if longest > 2*moment {
					t.Errorf("a sync took %v", longest)
				}
				if most := int(float64(size)/float64(second)/moment.Seconds())*4 + 2*size/mostPortion; syncs > most {
					t.Errorf("%d syncs, want at most %d", syncs, most)
				}
			})
		})
	}
}

func TestPaceTellsOfASyncThatFails(t *testing.T) {
	var p pace
	broken := errors.New("broken")
	if err := p.advance(leastPortion-1, func() error { return broken }); err != nil {
		t.Errorf("before the portion is full: %v", err)
	}
	if err := p.advance(1, func() error { return broken }); !errors.Is(err, broken) {
		t.Errorf("%v, want that the sync failed", err)
	}
}
