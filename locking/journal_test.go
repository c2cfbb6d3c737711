package locking

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A writer that had to wait is let in as one before its connection could look for
// a journal that a crash left. A reader that comes in beside it must not conclude
// that the journal is in use, and read what the crash left. Nor need it wait: it
// cannot play the journal back before the writer has.
func TestWriterLetInAfterWaitingDoesNotVouchForTheJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := &cell{}
		crashed, writer, reader := newLock(t, open(t, reg, Options{})), newLock(t, open(t, reg, Options{})), newLock(t, open(t, reg, Options{}))
		must(t, crashed.Lock(t.Context(), Shared, nil))
		must(t, crashed.Lock(t.Context(), Reserved, nil))
		must(t, writer.Lock(t.Context(), Shared, nil))
		if err := writer.Lock(t.Context(), Reserved, patient(time.Minute)); !errors.Is(err, ErrHeld) {
			t.Fatalf("second writer: %v, want ErrHeld", err)
		}
		must(t, writer.Unlock(None))
		must(t, reader.Lock(t.Context(), Shared, nil))
		let := make(chan error)
		go func() { let <- writer.Lock(t.Context(), Shared, patient(time.Minute)) }()
		synctest.Wait()
		must(t, crashed.Unlock(None))
		must(t, <-let)
		if e := reg.record(t); len(e.Entries) != 2 || e.Entries[0].Level+e.Entries[1].Level != Shared+Reserved {
			t.Fatalf("record is %+v, want one at SHARED and one at RESERVED", e.Entries)
		}

		if reserved, err := reader.Reserved(t.Context()); reserved || err != nil {
			t.Errorf("the reader is told %v, %v: want false", reserved, err)
		}
		start := time.Now()
		err := reader.Lock(t.Context(), Exclusive, nil)
		if took := time.Since(start); !errors.Is(err, ErrHeld) || took > 100*time.Millisecond {
			t.Errorf("the reader climbs: %v after %v, want ErrHeld at once", err, took)
		}
		must(t, reader.Unlock(None))
		must(t, writer.Lock(t.Context(), Exclusive, patient(time.Minute)))
	})
}

// Who gave up writing is let in to read beside the writer, and so is who waited in
// vain to write.
func TestWhoCouldNotWriteCanRead(t *testing.T) {
	for name, waits := range map[string]bool{"gave up": false, "waits for a second": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var again func() bool
				most := 50 * time.Millisecond
				if waits {
					again, most = patient(time.Second), most+time.Second
				}
				reg := &cell{}
				writer, other := newLock(t, open(t, reg, Options{})), newLock(t, open(t, reg, Options{}))
				must(t, writer.Lock(t.Context(), Shared, nil))
				must(t, writer.Lock(t.Context(), Reserved, nil))
				must(t, other.Lock(t.Context(), Shared, nil))
				if err := other.Lock(t.Context(), Reserved, again); !errors.Is(err, ErrHeld) {
					t.Fatalf("second writer: %v, want ErrHeld", err)
				}
				must(t, other.Unlock(None))
				start := time.Now()
				must(t, other.Lock(t.Context(), Shared, again))
				if took := time.Since(start); took > most {
					t.Errorf("let in to read after %v, want at most %v", took, most)
				}
			})
		})
	}
}
