package locking

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A first swap whose outcome stays unknown may have left an entry behind, so Close does
// not say that there is none.
func TestCloseTellsOfASwapInDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg, down := &cell{}, false
		reg.setFault(func(op string) (before, after error) {
			switch {
			case down:
				return ErrUnreachable, nil
			case op == "swap":
				down = true
				return nil, ErrDoubt
			}
			return nil, nil
		})
		c := open(t, reg, Options{Log: quiet})
		if err := newLock(t, c).Lock(t.Context(), Shared, patient(time.Second)); !errors.Is(err, ErrUnreachable) {
			t.Errorf("lock = %v, want ErrUnreachable", err)
		}
		if err := c.Close(t.Context()); err == nil {
			t.Error("close: no error")
		}
		reg.setFault(nil)
		if n := len(reg.record(t).Entries); n != 1 {
			t.Errorf("%d entries in the record, want one", n)
		}
	})
}
