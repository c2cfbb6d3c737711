package locking

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// fill has processes that wait come into a record until it takes no more.
func fill(t *testing.T, r Record, at time.Time) Record {
	t.Helper()
	for i := 0; ; i++ {
		next, _ := r.Step(Request{Holder: Holder{ID: newID(), Host: "a", PID: i}, Level: Exclusive, TTL: time.Hour, Now: at, Fence: &Fencing{Database: "app.db"}})
		if _, err := next.encode(roomToEnter); err != nil {
			t.Logf("no more than %d processes: %v", len(r.Entries), err)
			return r
		}
		r = next
	}
}

// Whoever came into a record finds room in it for all that it writes later, whoever
// expires and however long that goes on.
func TestRoomForWhoeverIsIn(t *testing.T) {
	short := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	long := short.Add(123456789 * time.Nanosecond)
	r := fill(t, Record{Format: RecordFormat}, short)
	r.Serial, r.Epoch = 1e9, 1e9 // a century of renewals
	first := r.Entries[0].Holder
	step := func(req Request) {
		t.Helper()
		next, _ := r.Step(req)
		if _, err := next.Encode(); err != nil {
			t.Fatalf("%+v: %v", req, err)
		}
		r = next
	}
	for i := range r.Entries {
		step(Request{Holder: r.Entries[i].Holder, Level: Exclusive, TTL: time.Hour, Now: long, Fence: &Fencing{Database: "app.db"}})
	}
	heir := r.Entries[1].Holder
	for range 5 { // who copies expires, again and again
		step(Request{Holder: heir, Level: Exclusive, TTL: time.Hour, Now: long, Expired: []string{first.ID}, Fence: &Fencing{Database: "app.db", Nonce: "01234567"}})
		if r.Takeover == nil || r.Takeover.By != heir.ID {
			t.Fatalf("the heir does not copy: %+v", r.Takeover)
		}
		first, heir = heir, r.Entries[1].Holder
	}
}

// Those who wait cannot take the lease from who holds it by being many, and who comes
// too late is told so.
func TestFullRecordIsRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := &cell{}
		first := Record{Format: RecordFormat, Serial: 9_990}
		value, err := first.Encode()
		must(t, err)
		_, err = reg.CompareAndSwap(t.Context(), Unused, value)
		must(t, err)
		files := newShelf()
		holder := newLock(t, open(t, reg, fenced(files)))
		for _, level := range []Level{Shared, Reserved, Exclusive} {
			must(t, holder.Lock(t.Context(), level, nil))
		}
		full := fill(t, reg.record(t), time.Now().UTC())
		value, err = full.Encode()
		must(t, err)
		full.Entries[1].Holder.Pod = strings.Repeat("x", roomToEnter-len(value)-len(`        "pod": "",`+"\n"))
		value, err = full.Encode()
		must(t, err)
		if len(value) != roomToEnter {
			t.Fatalf("the record has %d bytes, want %d", len(value), roomToEnter)
		}
		_, err = reg.CompareAndSwap(t.Context(), reg.version(), value)
		must(t, err)

		time.Sleep(3 * time.Minute)
		must(t, holder.Check())
		if r := reg.record(t); r.Serial < 10_000 {
			t.Errorf("serial %d: the record did not grow", r.Serial)
		}
		late := newLock(t, open(t, reg, fenced(files)))
		start := time.Now()
		err = late.Lock(t.Context(), Shared, patient(time.Hour))
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("record of %d entries is too large", len(full.Entries)+1)) || time.Since(start) > time.Second {
			t.Errorf("one more = %v after %v, want at once that the record is too large", err, time.Since(start))
		}
		must(t, holder.Unlock(None))
	})
}

// A loss says what kept the lease from being renewed.
func TestLossSaysWhatKeptTheRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := &cell{}
		l := newLock(t, open(t, reg, Options{Log: quiet}))
		must(t, l.Lock(t.Context(), Shared, nil))
		reg.setFault(func(string) (error, error) { return fmt.Errorf("%w: 507 no room", ErrUnreachable), nil })
		time.Sleep(20 * time.Second)
		if err := l.Check(); !errors.Is(err, ErrLost) || !strings.Contains(err.Error(), "507 no room") {
			t.Errorf("check = %v, want ErrLost and what the register said", err)
		}
		reg.setFault(nil)
		must(t, l.Unlock(None))
	})
}
