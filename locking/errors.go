package locking

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

var (
	// ErrHeld: another holder is in the way. Try again later. See [HeldError].
	ErrHeld = errors.New("locking: lock is held")
	// ErrLost: the lease is lost. Stop writing now; this lock never works again.
	ErrLost = errors.New("locking: lease is lost")
	// ErrConflict: a swap did not take effect, because the version was another.
	ErrConflict = errors.New("locking: register was changed by somebody else")
	// ErrDoubt: it is unknown whether a swap took effect, or will.
	ErrDoubt = errors.New("locking: outcome of the swap is unknown")
	// ErrForeign: what lies where the register should be is not a register.
	ErrForeign = errors.New("locking: not a holdfast register")
	// ErrRecord: the register holds a record that cannot be used: truncated, not
	// ours, or written by a newer version.
	ErrRecord = errors.New("locking: unusable lock record")
	// ErrUnreachable: the register does not answer.
	ErrUnreachable = errors.New("locking: the lock's register does not answer")
	// ErrClosed: the Locker or Lock was closed.
	ErrClosed = errors.New("locking: closed")
)

// worthTelling is how long a holder is silent that people are told of. Live ones are
// from one renewal to the next.
const worthTelling = 2 * time.Second

// A HeldError is the [ErrHeld] that names who is in the way.
type HeldError struct {
	Holder Holder        // who; the zero value if the kernel does not say
	Level  Level         // what it holds, or waits for if Waits is set
	Wanted Level         // what could not be had
	Waits  bool          // it does not hold Level yet, but came first
	Age    time.Duration // how long it has held Level, by the clock that wrote the record; 0 if unknown
	Epoch  Epoch         // the epoch of the record; 0 if there is none
	Silent time.Duration // how long this process has seen no sign of it; 0 if unknown
	TTL    time.Duration // it expires once Silent is that; 0 if it does not

	// Takeover is what has to be done before anybody is let in, if it is that which
	// is in the way: the database is being copied, or waits for it.
	Takeover *Takeover
}

// Error names the holder, its level, the age and the epoch in one line.
func (e *HeldError) Error() string {
	var b strings.Builder
	verb := "is held at"
	if e.Waits {
		verb = "is waited for at"
	}
	fmt.Fprintf(&b, "database %s %v by %v", verb, e.Level, e.Holder)
	if e.Age > 0 {
		fmt.Fprintf(&b, " for %v", e.Age.Round(time.Millisecond))
	}
	if e.Epoch > 0 {
		fmt.Fprintf(&b, " (epoch %d)", e.Epoch)
	}
	fmt.Fprintf(&b, "; %v was wanted", e.Wanted)
	if e.Takeover != nil {
		fmt.Fprintf(&b, "; %v", e.Takeover)
	}
	if e.TTL > 0 && e.Silent >= worthTelling {
		fmt.Fprintf(&b, "; no sign of it for %v: if it is gone, wait for longer than %v (busy_timeout) to go on without it",
			e.Silent.Round(100*time.Millisecond), e.TTL)
	}
	return b.String()
}

// Is makes errors.Is(err, [ErrHeld]) true.
func (e *HeldError) Is(target error) bool { return target == ErrHeld }

// releaseError says that a lease was not given up, and what that means.
func releaseError(cause error, ttl time.Duration) error {
	return fmt.Errorf("locking: the lease could not be given up; others can go on after %v: %w", ttl, cause)
}
