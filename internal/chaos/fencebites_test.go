//go:build linux

package chaos

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// bites plays rounds until there is damage, and fails the test if there is none.
func bites(t *testing.T, fence []string, k kind, settings ...setting) {
	t.Helper()
	const rounds = 600
	_, seed := choices(t)
	var all sync.WaitGroup
	for _, setting := range settings {
		all.Go(func() {
			s := &season{t: t, fence: fence}
			start := time.Now()
			err := s.play(games(seed, rounds/6, 6, []kind{k}, setting), start.Add(2*time.Minute))
			n := s.total("round: " + k.name)
			if !errors.As(err, new(errDamage)) {
				t.Errorf("%s, %s: no damage in %d rounds: the test does not bite (%v)", setting.name, k.name, n, err)
				return
			}
			t.Logf("%s, %s: noticed in %d rounds and %v: %s", setting.name, k.name, n, time.Since(start).Round(time.Millisecond), firstLine(err))
		})
	}
	all.Wait()
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(fmt.Sprintf("%.300s", err), "\n")
	return line
}

// Without a fence rounds of each kind do damage.
func TestUnfencedIsDamaged(t *testing.T) {
	for _, k := range kindsOfFence[:5] {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			settings := journalModes[3:] // WAL, where it takes the fewest rounds
			if realRun() && k.name != kindStopped.name {
				settings = journalModes
			}
			bites(t, []string{"fence", "off"}, k, settings...)
		})
	}
}
