//go:build linux

package chaos

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// A bank is one database through its rounds.
type bank struct {
	*season
	setting setting
	path    string
	rng     *rand.Rand
	fencers []*fencer
	steady  [2]*fencer // those that do not have to die
	spawned int
	trail   []string // what happened in this round
	span    int      // operations of a takeover, as far as one was counted

	mu       sync.Mutex
	attempts map[string]attempt // guarded by mu; by name
	failures map[string]int     // guarded by mu; errors of transactions
}

// errDamage is that of a database in which something is wrong.
type errDamage struct{ wrong []string }

func (e errDamage) Error() string { return strings.Join(first(e.wrong, 3), "; ") }

func newBank(s *season, g game) (*bank, error) {
	b := &bank{
		season: s, setting: g.setting, path: filepath.Join(s.t.TempDir(), "app.db"),
		rng: rand.New(rand.NewPCG(g.seed, 1)), attempts: make(map[string]attempt), failures: make(map[string]int),
	}
	f, err := b.spawn(false)
	if err != nil {
		return b, err
	}
	for _, do := range []string{"open", "prepare", "rest"} {
		if err := f.do(b.openingFor(calm, do, b.plainLock(), false)); err != nil {
			return b, err
		}
	}
	return b, nil
}

// calm is the ttl of who only looks: however busy the machine is, that has to do.
const calm = 30 * time.Second

// opening makes an order to open.
func (b *bank) opening(do, lock string, wired bool) fenceOrder {
	return b.openingFor(b.leaseTTL(), do, lock, wired)
}

func (b *bank) openingFor(ttl time.Duration, do, lock string, wired bool) fenceOrder {
	holds := strings.Contains(b.setting.name, "exclusive")
	busy := "busy_timeout(60000)"
	if holds {
		busy = "busy_timeout(2000)" // of two that hold SHARED and want more one has to give up
	}
	params := []string{"lock", lock, "ttl", ttl.String(), "poll", "10ms", "_txlock", "immediate", "_pragma", busy, "_pragma", spill}
	for _, p := range b.setting.pragmas {
		params = append(params, "_pragma", p)
	}
	return fenceOrder{Do: do, DSN: dsn(b.path, append(params, b.fence...)...), Wired: wired, Once: lock != b.plainLock() && lock != lockWired, Holds: holds}
}

// spawn starts a process.
func (b *bank) spawn(lazy bool) (*fencer, error) {
	b.spawned++
	p, err := launch(b.t, "fence", fenceSettings{Name: fmt.Sprint("p", b.spawned), Seed: b.rng.Uint64(), Lazy: lazy, Pages: b.setting.pages})
	if err != nil {
		return nil, err
	}
	f := &fencer{process: p, bank: b, more: make(chan struct{}, 1)}
	b.fencers = append(b.fencers, f)
	go f.listen()
	return f, nil
}

// end kills all processes.
func (b *bank) end() {
	for _, f := range b.fencers {
		f.end()
	}
}

// tell notes what happened, for whoever has to find out how damage came about.
func (b *bank) tell(format string, args ...any) {
	b.trail = append(b.trail, fmt.Sprintf(format, args...))
}

func last(all []string, n int) []string { return all[max(0, len(all)-n):] }

func (b *bank) note(a attempt) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if a.Err != "" {
		b.failures[a.Err]++
	}
	if old, known := b.attempts[a.name()]; !known || old.Ended == 0 {
		b.attempts[a.name()] = a
	}
}

// settle compares the database, as a process finds it, with what is known of it.
func (b *bank) settle(f *fencer) error {
	for _, do := range []string{"open", "audit"} {
		if err := f.do(b.openingFor(calm, do, b.plainLock(), false)); err != nil {
			if strings.Contains(err.Error(), "malformed") || strings.Contains(err.Error(), "not a database") {
				return errDamage{[]string{err.Error()}}
			}
			return err
		}
	}
	b.mu.Lock()
	attempts := maps.Clone(b.attempts)
	b.mu.Unlock()
	wrong := append(f.found.Problems, compare(f.found.Rows, attempts)...)
	if len(wrong) > 0 {
		return errDamage{wrong}
	}
	// What is not there now must never come.
	b.mu.Lock()
	defer b.mu.Unlock()
	for name, a := range attempts {
		if a.Outcome != outcomeOK && !slices.Contains(f.found.Rows, name) {
			a.Outcome, a.Err = outcomeFailed, "it was not there in an earlier round"
			b.attempts[name] = a
		} else {
			a.Outcome = outcomeOK
			b.attempts[name] = a
		}
	}
	return nil
}
