package locking

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

func TestMayHaveSlept(t *testing.T) {
	for _, tt := range []struct {
		name      string
		mono, day time.Duration
		want      bool
	}{
		{"no time passed", 0, 0, false},
		{"awake for a moment", 5 * time.Millisecond, 5 * time.Millisecond, false},
		{"time of day adjusted a little", 5 * time.Millisecond, 5500 * time.Microsecond, false},
		{"the look is too old", trusted, trusted, true},
		{"slept for an hour", time.Millisecond, time.Hour, true},
		{"slept for a moment", time.Millisecond, 3 * time.Millisecond, true},
		{"time of day set back", 5 * time.Millisecond, -time.Hour, true},
		{"moments in the wrong order", -time.Nanosecond, -time.Nanosecond, true},
	} {
		if got := mayHaveSlept(tt.mono, tt.day); got != tt.want {
			t.Errorf("%s: mayHaveSlept(%v, %v) = %v, want %v", tt.name, tt.mono, tt.day, got, tt.want)
		}
	}
}

func TestWakefulElapsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wakeful
		start := now()
		for range 5 {
			time.Sleep(time.Hour / 5)
			if got, want := w.elapsed(&start), start.monotonic(); got != want {
				t.Errorf("elapsed() = %v after %v", got, want)
			}
		}
	})
}

// A machine slept between start and the look, or between two looks.
func TestWakefulElapsedAfterSleep(t *testing.T) {
	if runtime.GOOS != "linux" {
		return // there is no such clock
	}
	synctest.Test(t, func(t *testing.T) {
		var w wakeful
		start := now()
		slept := start
		slept.boot -= time.Hour
		if got := w.elapsed(&start); got > time.Minute {
			t.Errorf("elapsed() = %v for a holder that was awake", got)
		}
		asked := w.last.Load()
		for range 2 {
			if got := w.elapsed(&slept); got < time.Hour || got > time.Hour+time.Minute {
				t.Errorf("elapsed() = %v for a holder that slept an hour", got)
			}
		}
		if w.last.Load() != asked {
			t.Error("the kernel was asked again though no time had passed")
		}
		// As if the machine had slept since the last look: without another one, the
		// hour is missed.
		before := *asked
		before.mono, before.boot = before.mono.Add(-trusted), before.boot-time.Hour
		w.last.Store(&before)
		if got := w.elapsed(&slept); got < time.Hour {
			t.Errorf("elapsed() = %v by a look from before the sleep", got)
		}
	})
}

func BenchmarkWakefulElapsed(b *testing.B) {
	var w wakeful
	start := now()
	for b.Loop() {
		w.elapsed(&start)
	}
}
