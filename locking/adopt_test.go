package locking

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// overwrite has a record take the place of what the register holds.
func overwrite(t *testing.T, reg *cell, value []byte) {
	t.Helper()
	_, err := reg.CompareAndSwap(t.Context(), reg.version(), value)
	must(t, err)
}

// Of two who may have expired one has longer to wait for. The register is not asked
// without a pause meanwhile.
func TestAdoptWaitsForTheLastOfThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const last = 30 * time.Second
		reg := &cell{}
		freeze(t, reg, fenced(newShelf()), Exclusive)
		r := reg.record(t)
		e := r.Entries[0]
		e.Holder.ID, e.TTL, e.Level, e.Wants = newID(), last.Milliseconds(), None, Shared
		r.Entries = append(r.Entries, e)
		value, err := r.Encode()
		must(t, err)
		overwrite(t, reg, value)
		c := open(t, slow{reg, time.Millisecond, time.Millisecond}, fenced(newShelf()))
		before, start := reg.operations(), time.Now()
		_, err = c.Adopt(t.Context(), "", 0)
		must(t, err)
		if took, n := time.Since(start), reg.operations()-before; took < last || took > last+time.Second || n > 400 {
			t.Errorf("adopted after %v and %d operations, want %v and a few each second", took, n, last)
		}
	})
}

// A record that is damaged is replaced. One that a newer version can read may tell of
// somebody who is in.
func TestAdoptLeavesANewerRecordAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := &cell{}
		c := open(t, reg, fenced(newShelf()))
		for value, want := range map[string]error{
			`{"holdfast": 2, "holders": ["somebody"]}`: ErrRecord,
			`{"holdfast": 1, "ser`:                     nil,
			"\x00\x00\x00":                             nil,
			"":                                         nil,
		} {
			overwrite(t, reg, []byte(value))
			before := reg.version()
			_, err := c.Adopt(t.Context(), "", 0)
			if !errors.Is(err, want) || (reg.version() == before) != (want != nil) {
				t.Errorf("%q: adopt = %v, want %v", value, err, want)
			}
		}
	})
}

// A record that was emptied is not one that was never written: somebody may be in.
func TestEmptiedRecordIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := &cell{}
		first := newLock(t, open(t, reg, Options{Log: quiet}))
		for _, level := range []Level{Shared, Reserved, Exclusive} {
			must(t, first.Lock(t.Context(), level, nil))
		}
		overwrite(t, reg, nil)
		second := newLock(t, open(t, reg, Options{Log: quiet}))
		if err := second.Lock(t.Context(), Shared, patient(time.Minute)); !errors.Is(err, ErrRecord) {
			t.Errorf("lock = %v, want ErrRecord", err)
		}
		must(t, first.Unlock(None))
	})
}
