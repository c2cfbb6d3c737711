package locking

import (
	"context"
	"errors"
	"net/url"
	"testing"
	"testing/synctest"
	"time"
)

// A register that does not answer when it is opened does not hold up who opens it, even
// one that gave no bound.
func TestOpeningARegisterIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		open := LeaseBackend(func(ctx context.Context, _ *url.URL, _ string) (Register, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		start := time.Now()
		_, err := open(t.Context(), &url.URL{}, "/data/app.db", Options{Timeout: 2 * time.Second})
		if took := time.Since(start); !errors.Is(err, ErrUnreachable) || errors.Is(err, context.DeadlineExceeded) || took != 2*time.Second {
			t.Errorf("open = %v after %v, want ErrUnreachable after 2s", err, took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := open(ctx, &url.URL{}, "/data/app.db", Options{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("open = %v, want the caller's own deadline", err)
		}
	})
}
