package locking

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Processes that give up before the TTL and are started anew never see a dead holder
// expire. They are told so.
func TestBusyTellsHowLongTheHolderWasSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg, files := &cell{}, newShelf()
		freeze(t, reg, fenced(files), Exclusive)
		for range 3 {
			c := open(t, reg, fenced(files))
			err := newLock(t, c).Lock(t.Context(), Shared, patient(5*time.Second))
			var held *HeldError
			if !errors.As(err, &held) {
				t.Fatalf("lock: %v, want a HeldError", err)
			}
			if held.TTL != 10*time.Second || held.Silent < 4*time.Second || held.Silent > 6*time.Second {
				t.Errorf("after a wait of 5s for one whose ttl is 10s: silent for %v of %v", held.Silent, held.TTL)
			}
			if text := err.Error(); !strings.Contains(text, "wait for longer than 10s (busy_timeout)") {
				t.Errorf("%q does not say what to do", text)
			}
			must(t, c.Close(t.Context()))
		}
		enter(t, open(t, reg, fenced(files)), 12*time.Second)
	})
}

func TestBusyHearsOfALiveHolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := &cell{}
		opts := Options{TTL: 10 * time.Second, Renew: 500 * time.Millisecond, Log: quiet}
		busy := newLock(t, open(t, reg, opts))
		must(t, busy.Lock(t.Context(), Shared, nil))
		must(t, busy.Lock(t.Context(), Exclusive, nil))
		err := newLock(t, open(t, reg, opts)).Lock(t.Context(), Shared, patient(5*time.Second))
		var held *HeldError
		if !errors.As(err, &held) {
			t.Fatalf("lock: %v, want a HeldError", err)
		}
		if held.Silent > opts.Renew+time.Second || strings.Contains(err.Error(), "no sign") {
			t.Errorf("%v: silent for %v, and it renews every %v", err, held.Silent, opts.Renew)
		}
	})
}
