package plugincheck

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// TestTry: a check is a row, whatever it does; also one that does not obey its context.
func TestTry(t *testing.T) {
	never := make(chan struct{})
	defer close(never)
	for _, test := range []struct {
		name string
		run  func(context.Context, *cell) error
		want Outcome
		says string
	}{
		{"right", func(context.Context, *cell) error { return nil }, Passed, ""},
		{"right, with a remark", func(context.Context, *cell) error { return remark("so it is") }, Passed, "so it is"},
		{"wrong", func(context.Context, *cell) error { return errors.New("two winners") }, Failed, "two winners"},
		{"without --wipe", func(ctx context.Context, c *cell) error { return c.wipe(ctx) }, NotTried, "give --wipe"},
		{"without end", func(context.Context, *cell) error { <-never; return nil }, Failed, "more than 50ms"},
		{"until it is told", func(ctx context.Context, _ *cell) error { <-ctx.Done(); return ctx.Err() }, Failed, "more than 50ms"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &suite{Options: Options{Bound: 50 * time.Millisecond}}
			got, err := s.try(t.Context(), check{"Name", test.run})
			if err != nil || got.Check != "Name" || got.Outcome != test.want || !strings.Contains(got.Remark, test.says) {
				t.Errorf("%+v, %v; want %s and %q", got, err, test.want, test.says)
			}
		})
	}
}

// TestTryIsInterrupted: an interrupt ends a check that does not obey its context, too.
func TestTryIsInterrupted(t *testing.T) {
	never, cause := make(chan struct{}), errors.New("interrupted")
	defer close(never)
	ctx, cancel := context.WithCancelCause(t.Context())
	s := &suite{Options: Options{Bound: time.Hour}}
	got, err := s.try(ctx, check{"Name", func(context.Context, *cell) error {
		cancel(cause)
		<-never
		return nil
	}})
	if !errors.Is(err, cause) {
		t.Errorf("%+v, %v; want the cause", got, err)
	}
}
