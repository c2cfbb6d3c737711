package locking

import (
	"sync/atomic"
	"time"
)

// A wakeful clock tells a holder what [instant.elapsed] does, but asks the kernel
// for the time asleep only when there may be some. That is a system call, and the
// question is asked for each page that is read or written.
type wakeful struct{ last atomic.Pointer[instant] }

// elapsed returns the time since t as a holder must see it. It is safe for
// concurrent use.
func (w *wakeful) elapsed(t *instant) time.Duration {
	if t.boot == 0 {
		return t.monotonic()
	}
	at := time.Now()
	last := w.last.Load()
	if last == nil || mayHaveSlept(at.Sub(last.mono), at.Round(0).Sub(last.mono.Round(0))) {
		read := now()
		w.last.Store(&read)
		last, at = &read, read.mono
	}
	return max(at.Sub(t.mono), last.boot-t.boot+at.Sub(last.mono))
}

// trusted is how long one look at the clock that counts sleep is relied on.
const trusted = 10 * time.Millisecond

// mayHaveSlept reports whether this machine may have slept between two moments
// that are mono apart by the monotonic clock and day apart by the time of day.
// When a machine wakes, the kernel moves its time of day forward by the time that it
// slept, before any process runs. Only whoever sets it back by just as much, within
// the time that a look is relied on, hides that.
func mayHaveSlept(mono, day time.Duration) bool {
	return mono < 0 || mono >= trusted || (day-mono).Abs() >= time.Millisecond
}
