package locking

import (
	"testing"
	"testing/synctest"
	"time"
)

// A process that was first to use a register must not bring back its ID after it was
// deleted: by the marker beside the database it would pass for the one that knows
// where the database is.
func TestDeletedRegisterComesBackUnderAnotherID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg, files := &cell{}, newShelf()
		c := open(t, reg, fenced(files))
		l, before := enter(t, c, time.Minute)
		must(t, l.Unlock(None))
		must(t, l.Close())
		value, err := (&Record{Format: RecordFormat, Serial: 100}).Encode()
		must(t, err)
		_, err = reg.CompareAndSwap(t.Context(), reg.version(), value)
		must(t, err)
		time.Sleep(time.Minute) // its session finds out that it is lost

		l = newLock(t, c)
		must(t, l.Lock(t.Context(), Shared, patient(time.Minute)))
		if after := l.Current(); after.Register == before.Register || after.Register == "" {
			t.Errorf("the register had ID %q, and has ID %q", before.Register, after.Register)
		}
	})
}
