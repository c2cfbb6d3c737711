package holdfast

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// Who opens a connection waits for a register that does not answer no longer than the
// context, and nobody else waits less for it.
func TestOpeningEndsWithItsContext(t *testing.T) {
	path, o := lease(t)
	cellOf(path).mute.Store(true)
	synctest.Test(t, func(t *testing.T) {
		db := open(t, path, o)
		patient := make(chan time.Duration)
		start := time.Now()
		for _, patience := range []time.Duration{300 * time.Millisecond, time.Second} {
			go func() {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				if err := db.PingContext(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("after %v: %v", patience, err)
				}
				patient <- time.Since(start)
			}()
		}
		for _, want := range []time.Duration{300 * time.Millisecond, time.Second} {
			if took := <-patient; took != want {
				t.Errorf("it took %v, want %v", took, want)
			}
		}
	})
}
