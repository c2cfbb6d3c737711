package locking

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

func TestSinceBoot(t *testing.T) {
	a := sinceBoot()
	if (a > 0) != (runtime.GOOS == "linux") {
		t.Fatalf("sinceBoot() = %v on %s", a, runtime.GOOS)
	}
	if b := sinceBoot(); b < a {
		t.Errorf("sinceBoot() went back from %v to %v", a, b)
	}
}

// A bubble moves the monotonic clock and leaves the one that counts sleep alone.
func TestElapsedInBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := now()
		time.Sleep(time.Hour)
		if got := start.elapsed(); got != time.Hour {
			t.Errorf("elapsed() = %v after an hour", got)
		}
		if got := start.monotonic(); got != time.Hour {
			t.Errorf("monotonic() = %v after an hour", got)
		}
		if got := now().since(start); got != time.Hour {
			t.Errorf("since() = %v after an hour", got)
		}
	})
}

// The other way round: a bubble in which no time passes, on a machine that slept.
func TestElapsedAfterSleep(t *testing.T) {
	if runtime.GOOS != "linux" {
		return // there is no such clock, see elapsed
	}
	synctest.Test(t, func(t *testing.T) {
		start := now()
		start.boot -= time.Hour
		if got := start.elapsed(); got < time.Hour || got > time.Hour+time.Minute {
			t.Errorf("elapsed() = %v for a holder that slept an hour", got)
		}
		if got := start.monotonic(); got != 0 {
			t.Errorf("monotonic() = %v for an observer that slept an hour, want 0", got)
		}
		if got := now().since(start); got != 0 {
			t.Errorf("since() = %v for an observer that slept an hour, want 0", got)
		}
	})
}

func TestElapsedWithoutBootClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := now()
		start.boot = 0
		time.Sleep(time.Second)
		if got := start.elapsed(); got != time.Second {
			t.Errorf("elapsed() = %v after a second without a boot clock", got)
		}
	})
}

func BenchmarkNow(b *testing.B) {
	for b.Loop() {
		now()
	}
}

func BenchmarkElapsed(b *testing.B) {
	start := now()
	for b.Loop() {
		start.elapsed()
	}
}

func BenchmarkMonotonic(b *testing.B) {
	start := now()
	for b.Loop() {
		start.monotonic()
	}
}
