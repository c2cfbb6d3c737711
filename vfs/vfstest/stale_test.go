package vfstest_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// everyMoment plays a round for each operation of a holder, or one in so many, and for
// some of the next one's. It stops when told to.
func everyMoment(dir func() string, f frost, step int, s func(path string) stale, each func(moment, error) (more bool)) (rounds int) {
	const takeover = 60 // about how many operations it takes
	for holder := 1; ; holder += step {
		for i := range 5 {
			next := 0
			if i > 0 { // spread over what it does, each time elsewhere
				next = 1 + (takeover*i/4+5*holder)%takeover
			}
			r := round{frost: f, moment: moment{holder, next}, dir: dir()}
			if s != nil {
				r.stale = s(filepath.Join(r.dir, "app.db"))
			}
			err := r.run()
			os.RemoveAll(r.dir)
			if err == nil && !r.reached {
				return rounds
			}
			rounds++
			if !each(r.moment, err) {
				return rounds
			}
		}
	}
}

// A holder is stopped at every operation of a transaction, and does not notice. The
// next one takes over, and commits. Then the first one goes on, or while the next one
// is still copying: nothing that was acknowledged is lost, nothing is torn, and the
// stale one is told.
func TestStaleHolderLosesNothing(t *testing.T) {
	step := 5
	switch {
	case os.Getenv("HOLDFAST_REAL") == "1":
		step = 1
	case testing.Short():
		step = 25
	}
	for _, f := range frosts {
		t.Run(f.mode+"/"+f.variant, func(t *testing.T) {
			rounds := everyMoment(func() string { return scratch(t) }, f, step, nil, func(m moment, err error) bool {
				if err != nil {
					t.Errorf("stopped at %d, going on at %d of the next one: %v", m.holder, m.next, err)
				}
				return err == nil
			})
			t.Logf("%d rounds", rounds)
			if rounds < 80/step {
				t.Error("too few")
			}
		})
	}
}

// The rounds find what is wrong, so they are worth something: without the look that
// confirms a commit acknowledged rows are lost, and without the one that precedes the
// end of a journal the copy is torn.
func TestStaleRoundsFindPlantedFaults(t *testing.T) {
	unverified := func(string) stale { return stale{unverified: true} }
	unpermitted := func(path string) stale { return stale{permitted: func() bool { return hot(path) }} }
	for _, c := range []struct {
		name  string
		fault func(path string) stale
		frost int
	}{
		{"no verification", unverified, 0},
		{"no verification", unverified, 4},
		{"no verification", unverified, 8},
		{"no verification", unverified, 13},
		{"no verification", unverified, 14},
		{"no permission", unpermitted, 0},
		{"no permission", unpermitted, 1},
		{"no permission", unpermitted, 5},
		{"no permission", unpermitted, 10},
		{"no permission", unpermitted, 8},
		{"no permission", unpermitted, 9},
		{"no permission", unpermitted, 11},
		{"no permission", unpermitted, 12},
	} {
		f := frosts[c.frost]
		t.Run(c.name+"/"+f.mode+"/"+f.variant, func(t *testing.T) {
			var found error
			rounds := everyMoment(func() string { return scratch(t) }, f, 1, c.fault, func(_ moment, err error) bool {
				if errors.Is(err, errDamaged) {
					found = err
				}
				return found == nil
			})
			t.Logf("%d rounds: %v", rounds, found)
			if found == nil {
				t.Error("nothing was found")
			}
		})
	}
}

// scratch returns an empty directory, in memory where there is one.
func scratch(t testing.TB) string {
	t.Helper()
	parent := ""
	if _, err := os.Stat("/dev/shm"); err == nil {
		parent = "/dev/shm"
	}
	dir, err := os.MkdirTemp(parent, "holdfast-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
