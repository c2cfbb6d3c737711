package locking

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A register that does not work is left alone for longer each time, whatever it says, and
// whoever waits is told what it said. When it works again, so does the lock, soon.
func TestRegisterInTroubleIsLeftAlone(t *testing.T) {
	for name, fault := range map[string]func(op string) error{
		"writes are in doubt": func(op string) error {
			if op == "swap" {
				return fmt.Errorf("%w: 503 slow down", ErrDoubt)
			}
			return nil
		},
		"nothing answers": func(string) error { return fmt.Errorf("%w: 503 slow down", ErrUnreachable) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				reg := &cell{}
				reg.setFault(func(op string) (error, error) { return fault(op), nil })
				l := newLock(t, open(t, reg, Options{}))
				const wait, most = time.Minute, 8 * 100 * time.Millisecond // polls
				ctx, cancel := context.WithTimeout(t.Context(), wait)
				defer cancel()
				if err := l.Lock(ctx, Shared, func() bool { return true }); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("lock = %v, want the deadline", err)
				}
				// A look and a swap in each half of the longest pause, and a few before that.
				if asked, least, limit := reg.operations(), int(wait/most), 4*int(wait/most)+40; asked < least || asked > limit {
					t.Errorf("asked %d times in %v, want %d to %d", asked, wait, least, limit)
				}
				err := l.Lock(t.Context(), Shared, nil)
				if !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "503 slow down") || errors.Is(err, ErrDoubt) {
					t.Errorf("lock = %v, want ErrUnreachable and what the register said", err)
				}
				reg.setFault(nil)
				start := time.Now()
				must(t, l.Lock(t.Context(), Shared, func() bool { return true }))
				if took := time.Since(start); took > most {
					t.Errorf("it took %v to notice that the register works again, want %v at most", took, most)
				}
			})
		})
	}
}
