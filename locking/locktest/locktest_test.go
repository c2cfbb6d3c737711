package locktest_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/holdfastdb/holdfast/locking"
	"github.com/holdfastdb/holdfast/locking/locktest"
)

// Each register has one fault, and must fail the check named beside it.
func TestPlantedFaults(t *testing.T) {
	for _, row := range []struct {
		name  string
		check string
		fault faults
	}{
		{"writes when read", "Unused", faults{writesOnRead: true}},
		{"stale read", "Fresh", faults{staleRead: true}},
		{"stale read beside a writer", "FreshWhileWritten", faults{staleRead: true}},
		{"absence is cached", "Fresh", faults{staleUnused: true}},
		{"creates twice", "CreateOnce", faults{createsTwice: true}},
		{"two winners", "Atomic", faults{twoWinners: true}},
		{"winner is told conflict", "Atomic", faults{winnerToldConflict: true}},
		{"loser is told nonsense", "Atomic", faults{loserToldPlain: true}},
		{"nobody wins", "Atomic", faults{nobodyWins: true}},
		{"winner is told conflict, in free running", "History", faults{winnerToldConflict: true}},
		{"torn value", "Whole", faults{torn: true}},
		{"torn value beside a writer", "WholeWhileWritten", faults{torn: true}},
		{"written in place", "Whole", faults{inPlace: true}},
		{"keeps the writer's slice", "Whole", faults{aliasesWrite: true}},
		{"hands out its own slice", "Whole", faults{aliasesRead: true}},
		{"version from content", "Monotonic", faults{versionFromContent: true}},
		{"version reset after wipe", "MonotonicAfterWipe", faults{resetOnWipe: true}},
		{"old version good after wipe", "MonotonicAfterWipe", faults{wipedAcceptsAll: true}},
		{"collected version comes back", "Late", faults{versionRing: 64}},
		{"forgets that it was created", "Late", faults{createsTwice: true}},
		{"lost reply called a conflict", "Doubt", faults{lost: locking.ErrConflict}},
		{"lost reply called a conflict on create", "DoubtOnCreate", faults{lost: locking.ErrConflict}},
		{"lost reply called a failure", "Doubt", faults{lost: errors.New("connection reset")}},
		{"lost reply called both", "Doubt", faults{lost: errors.Join(locking.ErrConflict, locking.ErrDoubt)}},
		{"repeat takes effect twice", "Doubt", faults{repeats: true}},
		{"repeated create takes effect twice", "DoubtOnCreate", faults{repeats: true}},
		{"oversized value accepted", "Bounded", faults{maxValue: locking.MaxValue + 1}},
		{"largest value refused", "Bounded", faults{maxValue: locking.MaxValue - 1}},
		{"oversized value cut", "Bounded", faults{cutsOversized: true}},
		{"oversized value refused too late", "Bounded", faults{refusesLate: true}},
		{"oversized value called a conflict", "Bounded", faults{tooLarge: locking.ErrConflict}},
		{"ignores the context", "Cancelled", faults{ignoresContext: true}},
		{"is in doubt about nothing", "Cancelled", faults{cancelled: locking.ErrDoubt}},
		{"takes effect though cancelled", "Cancelled", faults{cancelledTakesEffect: true}},
		{"watch is deaf", "Watch", faults{watchDeaf: true}},
		{"watch does not see a wipe", "Watch", faults{watchMissesWipe: true}},
		{"watch does not see an earlier wipe", "Watch", faults{watchForgetsWipe: true}},
		{"watch never waits", "Watch", faults{watchNeverWaits: true}},
		{"watch ignores the context", "Watch", faults{watchIgnoresContext: true}},
		{"watch does not work", "Watch", faults{watchFails: true}},
	} {
		t.Run(row.name, func(t *testing.T) {
			if err := runInBubble(t, row.check, newCell(row.fault)); err == nil {
				t.Errorf("check %s passed", row.check)
			} else {
				t.Log(err)
			}
		})
	}
}

// The same register without a fault passes all checks: what the rows above
// found is the fault.
func TestNoFault(t *testing.T) {
	for _, c := range locktest.Checks {
		for name, fault := range map[string]faults{
			"plain":                 {},
			"finds out what was so": {lost: errResolved},
		} {
			t.Run(c.Name+"/"+name, func(t *testing.T) {
				if err := runInBubble(t, c.Name, newCell(fault)); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestRun(t *testing.T) {
	locktest.Run(t, func(testing.TB) locktest.Subject { return newCell(faults{}).subject() })
}

func TestRunInRealTime(t *testing.T) {
	locktest.RunInRealTime(t, func(testing.TB) locktest.Subject { return newCell(faults{}).subject() })
}

// A hook that is missing, and one that does not do its work, fail the checks.
func TestHooks(t *testing.T) {
	for _, row := range []struct {
		name  string
		check string
		spoil func(*locktest.Subject)
	}{
		{"no Open", "Fresh", func(s *locktest.Subject) { s.Open = nil }},
		{"no LoseReply", "Fresh", func(s *locktest.Subject) { s.LoseReply = nil }},
		{"no Wipe", "Fresh", func(s *locktest.Subject) { s.Wipe = nil }},
		{"Open fails", "Fresh", func(s *locktest.Subject) {
			s.Open = func() (locking.Register, error) { return nil, errors.New("no") }
		}},
		{"Wipe fails", "MonotonicAfterWipe", func(s *locktest.Subject) {
			s.Wipe = func() error { return errors.New("no") }
		}},
		{"Wipe does nothing", "MonotonicAfterWipe", func(s *locktest.Subject) {
			s.Wipe = func() error { return nil }
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newCell(faults{}).subject()
			row.spoil(&s)
			if err := find(t, row.check).Run(t.Context(), s); err == nil {
				t.Errorf("check %s passed", row.check)
			}
		})
	}
}

func runInBubble(t *testing.T, check string, c *cell) error {
	var err error
	synctest.Test(t, func(t *testing.T) {
		c.ended = make(chan struct{})
		err = find(t, check).Run(t.Context(), c.subject())
		close(c.ended)
	})
	return err
}

func find(t *testing.T, name string) locktest.Check {
	t.Helper()
	i := slices.IndexFunc(locktest.Checks, func(c locktest.Check) bool { return c.Name == name })
	if i < 0 {
		t.Fatalf("no check %s", name)
	}
	return locktest.Checks[i]
}

func (c *cell) subject() locktest.Subject {
	return locktest.Subject{
		Open:      func() (locking.Register, error) { return &opener{cell: c}, nil },
		LoseReply: func() { c.mu.Lock(); c.lose = true; c.mu.Unlock() },
		Wipe: func() error {
			c.wipe()
			return nil
		},
	}
}

var _ locking.Watcher = (*opener)(nil)

var errResolved = errors.New("the register found out by itself")

// Context errors are told as they are.
func contextError(ctx context.Context, also error) error {
	return errors.Join(ctx.Err(), also)
}
