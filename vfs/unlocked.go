package vfs

import (
	"context"

	"github.com/holdfastdb/holdfast/locking"
)

// GradeUnlocked is the grade of a database opened read-only with nolock=1 or
// immutable=1: nothing is promised if anybody writes meanwhile.
const GradeUnlocked locking.Grade = "unlocked"

// leased reports whether processes on other hosts may hold locks of this grade.
func leased(g locking.Grade) bool { return g != locking.GradeKernel && g != GradeUnlocked }

// unlocked is the [locking.Locker] of such a database.
type unlocked struct{}

func (unlocked) NewLock() (locking.Lock, error) { return new(levelOnly), nil }
func (unlocked) Grade() locking.Grade           { return GradeUnlocked }
func (unlocked) Current(context.Context) (locking.Current, error) {
	return locking.Current{}, nil
}
func (unlocked) Status(context.Context) (locking.Status, error) {
	return locking.Status{Grade: GradeUnlocked}, nil
}
func (unlocked) Close(context.Context) error { return nil }

// levelOnly is a [locking.Lock] that always succeeds.
type levelOnly struct{ level locking.Level }

func (l *levelOnly) Lock(_ context.Context, level locking.Level, _ func() bool) error {
	l.level = max(l.level, level)
	return nil
}

func (l *levelOnly) Unlock(level locking.Level) error {
	l.level = min(l.level, level)
	return nil
}

func (l *levelOnly) Level() locking.Level                   { return l.level }
func (l *levelOnly) Reserved(context.Context) (bool, error) { return l.level.Writing(), nil }
func (l *levelOnly) Check() error                           { return nil }
func (l *levelOnly) Epoch() locking.Epoch                   { return 0 }
func (l *levelOnly) Changes() uint64                        { return 0 }
func (l *levelOnly) Verify() error                          { return nil }
func (l *levelOnly) Doubt(error) error                      { return nil }
func (l *levelOnly) Current() locking.Current               { return locking.Current{} }
func (l *levelOnly) Close() error                           { return l.Unlock(locking.None) }
