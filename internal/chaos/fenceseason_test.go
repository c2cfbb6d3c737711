//go:build linux

package chaos

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfastdb/holdfast/locking"
)

// fenceTTL is that of all holders here. Nobody can have a shorter one.
const fenceTTL = locking.MinTTL

// fencePatience is how long a round waits for what has to come.
const fencePatience = 30 * time.Second

// A setting is how a database of these tests is used.
type setting struct {
	name    string
	pragmas []string

	// What is in flight of several writes to one page is that page. With
	// synchronous=NORMAL SQLite relies on that, since it syncs the number of records in
	// a journal together with them, and sums up only a part of each.
	pages bool
}

var (
	journalModes = []setting{
		{"delete", []string{"journal_mode(delete)"}, false},
		{"truncate", []string{"journal_mode(truncate)"}, false},
		{"persist", []string{"journal_mode(persist)"}, false},
		{"wal", []string{"journal_mode(wal)", "wal_autocheckpoint(20)"}, false},
	}
	settingsOfFence = append(journalModes[:4:4],
		setting{"exclusive", []string{"locking_mode(exclusive)", "journal_mode(delete)"}, false},
		setting{"synchronous=normal", []string{"journal_mode(delete)", "synchronous(normal)"}, true},
		setting{"synchronous=off", []string{"journal_mode(delete)", "synchronous(off)"}, true},
		setting{"wal, synchronous=normal", []string{"journal_mode(wal)", "wal_autocheckpoint(20)", "synchronous(normal)"}, true},
	)
)

// A kind is a kind of round: one takes the lease away from a holder and gives it to
// another. Then the bank is looked at.
type kind struct {
	name string
	play func(b *bank) error
}

var (
	kindStopped   = kind{"stopped", stopped}
	kindStoppedAt = kind{"stopped at an operation", stoppedAt}
	kindFrozen    = kind{"frozen clock", frozen(lockFrozen)}
	kindInFlight  = kind{"operations in flight", inFlight}
	kindKilled    = kind{"copier killed", copierKilled}
)

var kindsOfFence = []kind{kindStopped, kindStoppedAt, kindFrozen, kindKilled, kindInFlight, kindKilled}

// A game is a database and the rounds that it goes through.
type game struct {
	setting
	rounds []kind
	seed   uint64
}

// games returns n games of each setting, whose rounds are of all kinds in turns.
func games(seed uint64, n, rounds int, kinds []kind, settings ...setting) (all []game) {
	turn := 0
	for range n {
		for _, s := range settings {
			g := game{setting: s, seed: seed + uint64(len(all))}
			for range rounds {
				g.rounds = append(g.rounds, kinds[turn%len(kinds)])
				turn++
			}
			turn++ // or else each setting would see but some of them
			all = append(all, g)
		}
	}
	return all
}

// A season is many games, several at a time: their processes mostly wait for a ttl
// to go by.
type season struct {
	t     *testing.T
	fence []string // parameters of the data source names besides
	begin uint64   // operation of a takeover after which the first one is killed

	remote remoteLock    // whose register is a server's; nil: lease files
	ttl    time.Duration // of the leases; 0: fenceTTL

	mu     sync.Mutex
	tally  map[string]map[string]int // guarded by mu; by setting: how often something happened
	sweeps map[string]int            // guarded by mu; by setting: the operation of a takeover at which somebody was killed last
	failed error                     // guarded by mu
}

// plainLock is the lock of who does nothing to its register.
func (b *bank) plainLock() string {
	if b.remote != nil {
		return b.remote(b.path)
	}
	return "leasefile"
}

func (b *bank) leaseTTL() time.Duration { return cmp.Or(b.ttl, fenceTTL) }

// slots are for the databases that are used at a time, by all tests together.
var slots = make(chan struct{}, 14)

// play plays games until one fails, all are played, or there is no time left.
func (s *season) play(games []game, end time.Time) error {
	s.tally, s.sweeps = make(map[string]map[string]int), make(map[string]int)
	next := make(chan game)
	var all sync.WaitGroup
	for range min(cap(slots), len(games)) {
		all.Go(func() {
			for g := range next {
				slots <- struct{}{}
				err := s.run(g, end)
				<-slots
				if err != nil {
					s.fail(fmt.Errorf("%s, seed %d: %w", g.name, g.seed, err))
				}
			}
		})
	}
	for _, g := range games {
		if s.over(end) {
			break
		}
		next <- g
	}
	close(next)
	all.Wait()
	return s.failed
}

func (s *season) run(g game, end time.Time) error {
	b, err := newBank(s, g)
	defer b.end()
	for _, k := range g.rounds {
		if err != nil || s.over(end) {
			break
		}
		b.trail = nil
		if err = k.play(b); err != nil {
			err = fmt.Errorf("%s: %w\n%s", k.name, err, strings.Join(last(b.trail, 30), "\n"))
		}
		b.count("round: " + k.name)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range b.attempts {
		b.count("transactions: " + a.Outcome)
	}
	return err
}

func (s *season) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed == nil || errors.As(err, new(errDamage)) && !errors.As(s.failed, new(errDamage)) {
		s.failed = err
	}
}

func (s *season) over(end time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed != nil || time.Now().After(end)
}

func (b *bank) count(what string) {
	s := b.season
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tally[b.setting.name] == nil {
		s.tally[b.setting.name] = make(map[string]int)
	}
	s.tally[b.setting.name][what]++
}

// total returns how often something happened.
func (s *season) total(what string) (n int) {
	for _, t := range s.tally {
		n += t[what]
	}
	return n
}

// report logs what happened.
func (s *season) report() {
	for _, setting := range slices.Sorted(maps.Keys(s.tally)) {
		var text strings.Builder
		t := s.tally[setting]
		for i, what := range slices.Sorted(maps.Keys(t)) {
			if i > 0 {
				text.WriteString(", ")
			}
			fmt.Fprintf(&text, "%s %d", what, t[what])
		}
		s.t.Logf("%s: %s", setting, &text)
	}
}

// sweep returns the operation of a takeover at which to kill next. It leaves out some,
// which are for the next pass: so a season comes to the end of the takeover even if that
// has more operations than the season has killings.
func (b *bank) sweep() int {
	s := b.season
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.sweeps[b.setting.name]; !known {
		s.sweeps[b.setting.name] = int(s.begin)
	}
	s.sweeps[b.setting.name] += 1 + b.rng.IntN(3)
	return s.sweeps[b.setting.name]
}

// swept notes that a takeover had fewer operations than that.
func (b *bank) swept() {
	s := b.season
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweeps[b.setting.name] = 0
}
