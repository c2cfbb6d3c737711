package locking

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// A hastyWatch tells of a change at once, whether there is one or not.
type hastyWatch struct{ slow }

func (hastyWatch) Watch(ctx context.Context, _ Version) error { return ctx.Err() }

// A watch that tells of nothing, as it may, has the register asked no more often than
// whoever waits asks it without a watch.
func TestHastyWatchIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := &cell{}
		l := newLock(t, open(t, hastyWatch{slow{reg, time.Millisecond, time.Millisecond}}, Options{}))
		must(t, l.Lock(t.Context(), Shared, nil))
		before := reg.operations()
		const held = 10 * time.Second
		time.Sleep(held)
		if n, most := reg.operations()-before, int(held/(100*time.Millisecond/4))+10; n > most {
			t.Errorf("%d register operations in %v, want %d at most", n, held, most)
		}
		must(t, l.Unlock(None))
	})
}
