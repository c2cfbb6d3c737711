//go:build linux

package chaos

import (
	"testing"
	"time"
)

// Whatever a holder does that lost its lease, and whenever: nothing is damaged, and
// nothing that was acknowledged is lost.
func TestFence(t *testing.T) {
	t.Parallel()
	_, seed := choices(t)
	s := &season{t: t, begin: lasting(seed%takeoverSpan, 0)}
	all := games(seed, lasting(1, 16), lasting(5, 7), kindsOfFence, settingsOfFence...)
	if realRun() {
		all = append(all, games(seed+1e6, 16, 7, kindsOfFence, journalModes...)...)
	}
	err := s.play(all, time.Now().Add(10*time.Minute))
	s.report()
	if err != nil {
		t.Fatal(err)
	}
	if s.total("in the takeover") == 0 || s.total("landed") == 0 || s.total("transactions: "+outcomeOK) == 0 {
		t.Error("the rounds missed what they were after")
	}
	for _, mode := range journalModes {
		if realRun() && s.tally[mode.name]["swept"] == 0 {
			t.Errorf("%s: nobody was killed at the last operations of a takeover", mode.name)
		}
	}
}

// With a fence whose commits are not verified, the frozen holder acknowledges what
// is lost.
func TestUnverifiedCommitIsLost(t *testing.T) {
	t.Parallel()
	bites(t, nil, kind{"unverified", frozen(lockUnverified)}, lasting(journalModes[:1], journalModes)...)
}

// With a fence that lets journals be finished without asking, what is copied is
// half of a transaction.
func TestUnpermittedRemovalTearsCopy(t *testing.T) {
	t.Parallel()
	bites(t, nil, kind{"unpermitted", unpermitted}, lasting(journalModes[:1], journalModes[:3])...) // WAL has no such journal
}
