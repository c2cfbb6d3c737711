package locking

import "time"

// An instant is a moment on this process's own clocks. It has nothing to do with
// the time of day.
type instant struct {
	mono time.Time     // its monotonic reading is what counts
	boot time.Duration // time since boot with sleep; 0 if there is no such clock
}

// now returns the present instant.
func now() instant { return instant{time.Now(), sinceBoot()} }

// elapsed returns the time since t as a holder must see it: the larger of the
// monotonic clock, which a suspended machine may stop, and the one that counts
// sleep.
//
// On Linux the latter is CLOCK_BOOTTIME. On Windows Go's monotonic clock is the
// interrupt time, which counts sleep by itself. On macOS and the BSDs neither
// the standard library nor the system calls it offers reach a clock that does;
// there a machine that sleeps in mid-lease wakes up believing in it.
func (t instant) elapsed() time.Duration {
	mono := t.monotonic()
	if t.boot == 0 {
		return mono
	}
	return max(mono, sinceBoot()-t.boot) // negative if the clock fails now
}

// monotonic returns the time since t as an observer must see it, by the
// monotonic clock alone: time that this machine slept through says nothing about
// how long another one has been silent.
func (t instant) monotonic() time.Duration { return time.Since(t.mono) }

// since returns the time from u to t, by the monotonic clock alone: an observer's
// view.
func (t instant) since(u instant) time.Duration { return t.mono.Sub(u.mono) }
