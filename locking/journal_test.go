package locking

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A writer that had to wait is let in before its connection could look for a
// journal that a crash left. A reader beside it would conclude that the journal is in
// use, and read what the crash left. So it is let in alone.
func TestWriterThatHadToWaitIsLetInAlone(t *testing.T) {
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
		let := make(chan error, 1)
		go func() { let <- writer.Lock(t.Context(), Shared, patient(time.Minute)) }()
		must(t, crashed.Unlock(None))
		time.Sleep(5 * time.Second)
		select {
		case err := <-let:
			t.Fatalf("the writer was let in beside a reader: %v", err)
		default:
		}
		if reserved, err := reader.Reserved(t.Context()); reserved || err != nil {
			t.Errorf("the reader is told %v, %v: want false, since nobody writes", reserved, err)
		}
		must(t, reader.Unlock(None))
		must(t, <-let)
		must(t, writer.Lock(t.Context(), Reserved, nil))

		// Now it did look, and others may read beside it.
		must(t, reader.Lock(t.Context(), Shared, patient(time.Minute)))
		if reserved, err := reader.Reserved(t.Context()); !reserved || err != nil {
			t.Errorf("the reader is told %v, %v: want true", reserved, err)
		}
		must(t, reader.Unlock(None))
		must(t, writer.Lock(t.Context(), Exclusive, patient(time.Minute)))
		must(t, writer.Unlock(None))
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
