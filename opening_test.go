package holdfast

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ncruces/go-sqlite3"
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

// A cancelled opening is one that was interrupted, whatever cause the program gave.
func TestOpeningThatIsCancelled(t *testing.T) {
	path, o := lease(t)
	cellOf(path).mute.Store(true)
	synctest.Test(t, func(t *testing.T) {
		db := open(t, path, o)
		for _, cause := range []error{nil, errors.New("the user closed the window")} {
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(time.Second, func() { cancel(cause) })
			err := db.PingContext(ctx)
			if !errors.Is(err, sqlite3.INTERRUPT) || !errors.Is(err, context.Canceled) || cause != nil && !errors.Is(err, cause) {
				t.Errorf("cancelled by %v: %v", cause, err)
			}
		}
	})
}
