package locktest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfastdb/holdfast/locking"
)

const (
	watchBound  = 10 * time.Second       // for what must happen
	watchSettle = 100 * time.Millisecond // for a watch to begin; if it takes longer, the change comes before it, and is to be told too
)

// watch: a watcher hears of every kind of change, and obeys its context.
func watch(ctx context.Context, s Subject) error {
	rs, err := s.open(2)
	if err != nil {
		return err
	}
	w, ok := rs[0].(locking.Watcher)
	if !ok {
		return nil
	}
	version := locking.Unused
	change := func(what string, do func() error) error {
		if err := hears(ctx, w, version, do); err != nil {
			return fmt.Errorf("watch while %s: %w", what, err)
		}
		return nil
	}
	swap := func() (err error) {
		version, err = must(ctx, rs[1], version, []byte("changed"))
		return err
	}
	if err := change("the register is created", swap); err != nil {
		return err
	}
	known := version
	if err := change("it is swapped", swap); err != nil {
		return err
	}
	if err := within(func() error { return w.Watch(ctx, known) }); err != nil {
		return fmt.Errorf("watch with a version that is gone: %w", err)
	}
	if err := obeys(ctx, w, version); err != nil {
		return err
	}
	if err := change("the cell is deleted", s.Wipe); err != nil {
		return err
	}
	if err := within(func() error { return w.Watch(ctx, version) }); err != nil {
		return fmt.Errorf("watch after the cell was deleted: %w", err)
	}
	return nil
}

// hears begins to watch, makes a change, and wants to be told.
func hears(ctx context.Context, w locking.Watcher, known locking.Version, change func() error) error {
	told := make(chan error, 1)
	go func() { told <- awaitChange(ctx, w, known) }()
	pause(watchSettle)
	if err := change(); err != nil {
		return err
	}
	return within(func() error { return <-told })
}

// awaitChange watches until the version is another. Watch may return early, so
// it may take several calls, but not without end.
func awaitChange(ctx context.Context, w locking.Watcher, known locking.Version) error {
	for range 100 {
		if err := w.Watch(ctx, known); err != nil {
			return err
		}
		if _, version, err := w.Read(ctx); err != nil || version != known {
			return err
		}
	}
	return errors.New("it returned 100 times though nothing had changed")
}

// obeys wants a watch to end with its context, and with an error.
func obeys(ctx context.Context, w locking.Watcher, known locking.Version) error {
	ended, cancel := context.WithCancel(ctx)
	told := make(chan error, 1)
	go func() {
		var err error
		for err == nil && ended.Err() == nil {
			err = w.Watch(ended, known)
		}
		told <- err
	}()
	pause(watchSettle)
	cancel()
	err := within(func() error { return <-told })
	if err == nil {
		err = within(func() error { return w.Watch(ended, known) })
	}
	if !errors.Is(err, context.Canceled) {
		return fmt.Errorf("watch with a cancelled context = %v, want context.Canceled", err)
	}
	return nil
}

// within runs f, and gives up after watchBound: f then goes on by itself.
func within(f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	bound := time.NewTimer(watchBound)
	defer bound.Stop()
	select {
	case err := <-done:
		return err
	case <-bound.C:
		return fmt.Errorf("no answer within %v", watchBound)
	}
}

func pause(d time.Duration) { <-time.After(d) }
