// Package locktest checks that a [locking.Register] keeps its promises.
//
// A backend joins with one call in its own test:
//
//	func TestConformance(t *testing.T) {
//		locktest.Run(t, newSubject)
//	}
//
// Every check returns an error instead of failing a test, so that the checks
// themselves are tested: a register with a planted fault must fail the check
// that is named for it. No check is ever skipped; the one for a
// [locking.Watcher] has nothing to do for a register that is none.
package locktest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/holdfastdb/holdfast/locking"
)

// A Subject is one cell under test, unused as yet, on storage of its own. All
// fields are required: a backend that cannot lose a reply by itself gets a
// client, a transport or a file system that can.
type Subject struct {
	// Open returns one more opener of the cell: what another process would have.
	Open func() (locking.Register, error)

	// LoseReply makes the next swap, of whichever opener, take effect while its
	// reply is lost. That swap may find out that it took effect, and succeed.
	LoseReply func()

	// Wipe deletes the cell behind everyone's back.
	Wipe func() error
}

// open returns n openers.
func (s Subject) open(n int) ([]locking.Register, error) {
	if s.Open == nil || s.LoseReply == nil || s.Wipe == nil {
		return nil, errors.New("locktest: the subject must have Open, LoseReply and Wipe")
	}
	registers := make([]locking.Register, n)
	for i := range registers {
		var err error
		if registers[i], err = s.Open(); err != nil {
			return nil, fmt.Errorf("open the register: %w", err)
		}
	}
	return registers, nil
}

// A Check tests one promise and says how it was broken.
type Check struct {
	Name string                                     // the promise, as an identifier
	Run  func(ctx context.Context, s Subject) error // nil if it was kept
}

// Checks are all checks, each named for the rule of [locking.Register] it tests.
// Each needs a fresh Subject.
var Checks = []Check{
	{"Unused", unused},
	{"CreateOnce", createOnce},
	{"Fresh", fresh},
	{"FreshWhileWritten", freshWhileWritten},
	{"Atomic", atomicSwap},
	{"History", history},
	{"Whole", whole},
	{"WholeWhileWritten", wholeWhileWritten},
	{"Monotonic", monotonic},
	{"MonotonicAfterWipe", monotonicAfterWipe},
	{"Late", late},
	{"Doubt", doubt},
	{"DoubtOnCreate", doubtOnCreate},
	{"Bounded", bounded},
	{"Cancelled", cancelled},
	{"Watch", watch},
}

// Run runs every check as a subtest, each in a [synctest] bubble of its own.
// The subject may do real file I/O; for one that waits for a network use
// [RunInRealTime].
func Run(t *testing.T, newSubject func(testing.TB) Subject) {
	t.Helper()
	for _, c := range Checks {
		t.Run(c.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { runCheck(t, c, newSubject) })
		})
	}
}

// RunInRealTime is [Run] without bubbles, for a subject whose waits a bubble
// cannot see, such as one behind a socket. It takes about a second longer.
func RunInRealTime(t *testing.T, newSubject func(testing.TB) Subject) {
	t.Helper()
	for _, c := range Checks {
		t.Run(c.Name, func(t *testing.T) { runCheck(t, c, newSubject) })
	}
}

func runCheck(t *testing.T, c Check, newSubject func(testing.TB) Subject) {
	if err := c.Run(t.Context(), newSubject(t)); err != nil {
		t.Error(err)
	}
}
