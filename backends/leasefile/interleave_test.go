package leasefile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/spf13/afero"

	"github.com/holdfastdb/holdfast/locking"
)

// Every order of the system calls of two or three processes, with at most so many
// switches away from one that could go on: one swap wins, nobody reads anything
// but a whole value, and the register goes on.
func TestInterleavings(t *testing.T) {
	for _, row := range []struct {
		name        string
		number      uint64 // of the register before; 0: unused
		do          []string
		preemptions int
		memory      bool // listings come from memory
	}{
		{"two swaps", 7, []string{"swap", "swap"}, 3, false},
		{"two swaps that sweep", sweepEvery - 1, []string{"swap", "swap"}, 2, false},
		{"swap and a reader", 7, []string{"swap", "read"}, 3, false},
		{"swaps and a reader", sweepEvery - 2, []string{"swap twice", "read"}, 3, false},
		{"one overtakes twice", sweepEvery - 2, []string{"swap", "swap twice"}, 2, false},
		{"a sweep meets a swap ahead", sweepEvery - 1, []string{"swap", "read and swap"}, 2, false},
		{"two creates", 0, []string{"swap", "swap"}, 2, false},
		{"create, swap and a late creator", 0, []string{"swap", "swap twice"}, 2, false},
		{"create and a reader", 0, []string{"swap", "read"}, 2, false},
		{"two creates and a wipe", 0, []string{"swap", "swap", "wipe"}, 1, false},
		{"swap and a wipe", 7, []string{"swap", "wipe"}, 2, false},
		{"two swaps by memory", 7, []string{"swap", "read and swap"}, 2, true},
		{"swaps and a reader by memory", sweepEvery - 2, []string{"swap twice", "read twice"}, 2, true},
		{"two creates by memory", 0, []string{"swap", "swap"}, 1, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir, todo, runs := memoryDir(t), [][]int{nil}, 0
			// A bubble, since some wait for what they see to settle.
			synctest.Test(t, func(t *testing.T) {
				for len(todo) > 0 && !t.Failed() {
					prefix := todo[len(todo)-1]
					todo = todo[:len(todo)-1]
					runs++
					parent := filepath.Join(dir, strconv.Itoa(runs))
					run := newInterleaving(t, parent, row.number, row.do, row.memory)
					run.follow(prefix)
					if err := run.check(t); err != nil {
						t.Errorf("schedule %v: %v\n%s", run.schedule, err, run.trace)
					}
					_ = os.RemoveAll(parent)
					todo = append(todo, run.alternatives(len(prefix), row.preemptions)...)
				}
			})
			t.Logf("%d schedules", runs)
		})
	}
}

// An actor is one process.
type actor struct {
	does     string
	parked   chan call // it wants to make a call
	permit   chan struct{}
	waiting  *call // nil when it is done
	told     error
	value    string          // read
	from     locking.Version // swapped from
	version  locking.Version // read or won
	least    uint64          // the number that was there when it began to read last
	swapped  bool            // its rename took effect
	finished chan struct{}
}

// An interleaving runs its actors one system call at a time.
type interleaving struct {
	dir      string
	actors   []*actor
	schedule []int
	enabled  [][]int // actors that could go on, at each step
	trace    string
}

func newInterleaving(t *testing.T, parent string, number uint64, do []string, memory bool) *interleaving {
	if err := os.Mkdir(parent, 0o777); err != nil {
		t.Fatal(err)
	}
	run := &interleaving{dir: filepath.Join(parent, "app.db.lease")}
	old := locking.Unused
	if number > 0 {
		old = plant(t, run.dir, number, "before")
	}
	for i, does := range do {
		a := &actor{does: does, parked: make(chan call), permit: make(chan struct{}), finished: make(chan struct{})}
		run.actors = append(run.actors, a)
		go func() {
			defer close(a.finished)
			a.act(run.dir, old, fmt.Sprintf("actor %d", i), memory)
		}()
		a.await()
	}
	return run
}

func (a *actor) act(dir string, old locking.Version, value string, memory bool) {
	h := &hookFs{Fs: afero.NewOsFs()}
	h.before = func(c call) error {
		switch c.op {
		case "sync":
			return errSkip
		case "read", "close":
			return nil // nobody else can tell when it happens
		}
		a.parked <- c
		<-a.permit
		return nil
	}
	h.after = func(c call, err error) error {
		a.swapped = a.swapped || c.isSwap() && err == nil
		return err
	}
	r := New(h, dir)
	if memory {
		r, _ = newRemembering(h, dir)
	}
	r.probed.Store(a.does != "swap") // to probe or not makes no difference to the rest
	ctx := context.Background()
	switch a.does {
	case "read", "read twice":
		for range strings.Count(a.does, "twice") + 1 {
			var value []byte
			a.least = present(dir)
			if value, a.version, a.told = r.Read(ctx); a.told != nil {
				return
			}
			a.value = string(value)
		}
	case "wipe":
		// As rm -r: it fails if somebody adds a file meanwhile.
		_ = eachName(h, dir, func(names []string) bool {
			for _, name := range names {
				_ = h.Remove(filepath.Join(dir, name))
			}
			return true
		})
		_ = h.Remove(dir)
	case "read and swap":
		if _, a.from, a.told = r.Read(ctx); a.told == nil {
			a.version, a.told = r.CompareAndSwap(ctx, a.from, []byte(value))
		}
	case "swap", "swap twice":
		a.from = old
		a.version, a.told = r.CompareAndSwap(ctx, old, []byte(value))
		if a.does == "swap twice" && a.told == nil {
			a.version, a.told = r.CompareAndSwap(ctx, a.version, []byte(value))
		}
	}
}

// present returns the number of the token that is there, and 0 if there is none.
func present(dir string) uint64 {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if text, ok := strings.CutSuffix(e.Name(), tokenSuffix); ok {
			s, _ := parseState(text)
			return s.number
		}
	}
	return 0
}

// await waits until the actor wants to make a call, or is done.
func (a *actor) await() {
	a.waiting = nil
	select {
	case c := <-a.parked:
		a.waiting = &c
	case <-a.finished:
	}
}

// follow makes the choices of prefix, and then switches only when it must.
func (run *interleaving) follow(prefix []int) {
	last := 0
	for {
		var enabled []int
		choice := -1
		for i, a := range run.actors {
			if a.waiting == nil {
				continue
			}
			enabled = append(enabled, i)
			if choice < 0 || i == last {
				choice = i
			}
		}
		if len(enabled) == 0 {
			return
		}
		if step := len(run.schedule); step < len(prefix) {
			choice = prefix[step]
		}
		a := run.actors[choice]
		run.trace += fmt.Sprintf("%d %s %s %s\n", choice, a.waiting.op, filepath.Base(a.waiting.path), filepath.Base(a.waiting.to))
		run.schedule = append(run.schedule, choice)
		run.enabled = append(run.enabled, enabled)
		last = choice
		a.permit <- struct{}{}
		a.await()
	}
}

// alternatives returns the prefixes of other schedules that differ from this one
// first at step from or later.
func (run *interleaving) alternatives(from, preemptions int) (more [][]int) {
	used := 0
	for step, choice := range run.schedule {
		forced := step == 0 || run.actorDone(step)
		for _, other := range run.enabled[step] {
			if step < from || other == choice {
				continue
			}
			if forced || used < preemptions {
				more = append(more, append(run.schedule[:step:step], other))
			}
		}
		if !forced && choice != run.schedule[step-1] {
			used++
		}
	}
	return more
}

// actorDone reports whether the actor of the step before could not go on.
func (run *interleaving) actorDone(step int) bool {
	for _, i := range run.enabled[step] {
		if i == run.schedule[step-1] {
			return false
		}
	}
	return true
}

// check compares what the actors were told with what they did and with what is there.
func (run *interleaving) check(t *testing.T) error {
	winners := map[locking.Version]*actor{} // by what they swapped from
	wiped := slices.ContainsFunc(run.actors, func(a *actor) bool { return a.does == "wipe" })
	for i, a := range run.actors {
		switch {
		case a.does == "wipe" || wiped && half(a.told):
		case a.does == "read" || a.does == "read twice":
			if a.told != nil || a.value != "before" && a.value != "actor 0" && a.version != locking.Unused {
				return fmt.Errorf("actor %d read %q, %v", i, a.value, a.told)
			}
			if s, _ := parseState(string(a.version)); s.number < a.least {
				return fmt.Errorf("actor %d read version %q, though it was %d before", i, a.version, a.least)
			}
		case a.told == nil && !a.swapped:
			return fmt.Errorf("actor %d was told that it won, and did not", i)
		case a.told == nil && winners[a.from] != nil && !wiped:
			return fmt.Errorf("actor %d won, and somebody else did from the same version", i)
		case a.told == nil:
			winners[a.from] = a
		case a.swapped && !errors.Is(a.told, locking.ErrDoubt):
			return fmt.Errorf("actor %d won, and was told %w", i, a.told)
		case !errors.Is(a.told, locking.ErrConflict) && !errors.Is(a.told, locking.ErrDoubt):
			return fmt.Errorf("actor %d was told %w", i, a.told)
		}
	}
	value, version, err := New(afero.NewOsFs(), run.dir).Read(context.Background())
	switch {
	case wiped && half(err):
		return nil
	case err != nil || wiped:
		return err
	case len(winners) == 0:
		return errors.New("nobody won")
	}
	for i, a := range run.actors {
		if winners[a.from] == a && winners[a.version] == nil && (a.version != version || string(value) != fmt.Sprintf("actor %d", i)) {
			return fmt.Errorf("actor %d won with version %q, but %q is there with version %q", i, a.version, value, version)
		}
	}
	checkState(t, run.dir, string(value))
	return nil
}

// half reports whether err is one that rm -r may bring about: half of a register
// is there while it works, or for good if somebody adds a file meanwhile, and a
// file that it removes in the middle of the probe makes the file system look unfit.
func half(err error) bool {
	return errors.Is(err, locking.ErrForeign) || errors.Is(err, locking.ErrRecord) || errors.Is(err, errUnfit)
}
