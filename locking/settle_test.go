package locking

import (
	"errors"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg, files := &cell{}, newShelf()
		freeze(t, reg, fenced(files), Exclusive)
		c := open(t, reg, fenced(files))
		l, where := enter(t, c, time.Minute)
		files.append(where.File, 7)
		must(t, l.Unlock(None))
		time.Sleep(time.Second)

		files.fault = func(n int, to string) error {
			if n == 2 {
				return syscall.ENOSPC
			}
			return nil
		}
		if err := c.Settle(t.Context(), false); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("settle on a full disk: %v", err)
		}
		if r := reg.record(t); r.File != where.File || r.Takeover != nil {
			t.Errorf("after it, the record names %q, takeover %v", r.File, r.Takeover)
		}
		must(t, c.Settle(t.Context(), false))
		_, now := enter(t, c, time.Second)
		time.Sleep(time.Second)
		if now.File != "" || !cmp.Equal(files.content(), map[string][]int{"app.db": {7}}) {
			t.Errorf("settled in %q, of %v", now.File, files.content())
		}
	})
}

func TestSettleRefusesWhileTheNameMayBeRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg, files := &cell{}, newShelf()
		freeze(t, reg, fenced(files), Exclusive)
		c := open(t, reg, fenced(files))
		l, where := enter(t, c, time.Minute)
		must(t, l.Unlock(None))
		must(t, c.Close(t.Context()))
		r := reg.record(t)
		other := Self()
		r.Removing, r.File = &other, where.File
		value, _ := r.Encode()
		if _, err := reg.CompareAndSwap(t.Context(), reg.version(), value); err != nil {
			t.Fatal(err)
		}
		c = open(t, reg, fenced(files))
		if err := c.Settle(t.Context(), false); err == nil {
			t.Error("settled although the plain name may be removed late")
		}
		must(t, c.Settle(t.Context(), true))
		if r := reg.record(t); r.File != "" || r.Removing != nil {
			t.Errorf("settled by force, the record names %q, and %v is at work on the plain name", r.File, r.Removing)
		}
	})
}

func TestAdopt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg, files := &cell{}, newShelf()
		files.files["app.db@7-0123abcd"] = []int{1, 2}
		c := open(t, reg, fenced(files))
		where, err := c.Adopt(t.Context(), "app.db@7-0123abcd", 9)
		must(t, err)
		_, now := enter(t, c, time.Second)
		if _, epoch, _ := ParseFileName(now.File); epoch <= 9 || now.Register != where.Register {
			t.Errorf("adopted as %+v, and it is %+v now", where, now)
		}
		if diff := cmp.Diff([]int{1, 2}, files.content()[now.File]); diff != "" {
			t.Errorf("content (-want +got):\n%s", diff)
		}
		var held *HeldError
		if _, err := open(t, reg, fenced(files)).Adopt(t.Context(), "", 0); !errors.As(err, &held) {
			t.Errorf("adopt what somebody has open: %v, want a HeldError", err)
		}
	})
}

func TestAdoptWaitsForTheDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg, files := &cell{}, newShelf()
		freeze(t, reg, fenced(files), Exclusive)
		if _, err := open(t, reg, fenced(files)).Adopt(t.Context(), "", 0); err != nil {
			t.Error(err)
		}
	})
}
