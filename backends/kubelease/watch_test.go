package kubelease

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/holdfastdb/holdfast/locking"
)

// A watch that is cut says so, so that whoever waits goes over to polling, and the next one
// works again.
func TestWatchCut(t *testing.T) {
	r, s, _ := fakeRegister(t)
	version := mustSwap(t, r, locking.Unused, "one")
	told := make(chan error)
	watch := func() { told <- r.Watch(t.Context(), version) }
	go watch()
	s.await("WATCH", 1)
	s.cut()
	checkLine(t, <-told, nil, "watch")
	go watch()
	s.await("WATCH", 2)
	mustSwap(t, register(t, s.config, testLease), version, "two")
	if err := <-told; err != nil {
		t.Errorf("the next watch = %v", err)
	}
}

// A server that has forgotten what came after the known version tells of what comes now, and
// of a Lease that is gone.
func TestWatchFromLongAgo(t *testing.T) {
	r, s, _ := fakeRegister(t)
	s.set(func() { s.forgets = true })
	version := mustSwap(t, r, locking.Unused, "one")
	told, before := make(chan error), s.count(http.MethodGet)
	go func() { told <- r.Watch(t.Context(), version) }()
	s.await(http.MethodGet, before+1) // the watch that begins with what is there has begun
	after := mustSwap(t, register(t, s.config, testLease), version, "two")
	if err := <-told; err != nil {
		t.Errorf("watch while it is swapped = %v", err)
	}
	must(t, wipe(r))
	if err := r.Watch(t.Context(), after); err != nil {
		t.Errorf("watch after it was deleted = %v", err)
	}
}

// Without watches a waiter polls, and is let in all the same.
func TestNoWatchAllowed(t *testing.T) {
	r, s, _ := fakeRegister(t)
	s.set(func() { s.refuse = map[string]int{"WATCH": http.StatusForbidden} })
	holder, waiter := lockOf(t, r), lockOf(t, register(t, s.config, testLease))
	must(t, holder.Lock(t.Context(), locking.Shared, nil))
	must(t, holder.Lock(t.Context(), locking.Reserved, nil))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	waits := make(chan error)
	go func() { waits <- waiter.Lock(ctx, locking.Shared, func() bool { return true }) }()
	s.await("WATCH", 1)
	must(t, holder.Unlock(locking.None))
	if err := <-waits; err != nil {
		t.Error(err)
	}
}

// lockOf returns a lock of a coordinator of its own over a register.
func lockOf(t *testing.T, r locking.Register) locking.Lock {
	t.Helper()
	c, err := locking.NewCoordinator(r, locking.Options{TTL: 30 * time.Second})
	must(t, err)
	l, err := c.NewLock()
	must(t, err)
	t.Cleanup(func() {
		if err := errors.Join(l.Close(), c.Close(context.Background())); err != nil {
			t.Error(err)
		}
	})
	return l
}
