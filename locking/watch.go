package locking

import (
	"context"
	"sync/atomic"
	"time"
)

// A watcher tells the keeper of changes where the register can. All methods but
// run may be called on nil, which never works.
type watcher struct {
	reg   Watcher
	pause time.Duration // after an error, before the next try
	least time.Duration // from the beginning of a watch to that of the next: one may tell of nothing, at once, each time
	wake  func()

	from  chan Version // holds one
	fresh atomic.Bool  // something may have changed since the keeper looked
	fails atomic.Bool  // the latest watch failed
}

func newWatcher(reg Watcher, opts Options, wake func()) *watcher {
	return &watcher{reg: reg, pause: opts.Renew, least: opts.Poll / 4, wake: wake, from: make(chan Version, 1)}
}

// works reports whether polling can be left to the watch.
func (w *watcher) works() bool { return w != nil && !w.fails.Load() }

// hinted reports, once, that something may have changed.
func (w *watcher) hinted() bool { return w != nil && w.fresh.Swap(false) }

// follow has the next watch begin at a version.
func (w *watcher) follow(v Version) {
	if w == nil {
		return
	}
	select {
	case <-w.from:
	default:
	}
	w.from <- v
}

// run watches until ctx ends.
func (w *watcher) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case v := <-w.from:
			began := now()
			err := w.reg.Watch(ctx, v)
			w.fails.Store(err != nil)
			w.fresh.Store(err == nil)
			w.wake() // to look, or to begin polling
			pause := w.pause
			if err == nil {
				pause = w.least - began.monotonic()
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(pause):
			}
		}
	}
}
