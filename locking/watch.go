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
	wake  func()

	from  chan Version // holds one
	fresh atomic.Bool  // something may have changed since the keeper looked
	fails atomic.Bool  // the latest watch failed
}

func newWatcher(reg Watcher, pause time.Duration, wake func()) *watcher {
	return &watcher{reg: reg, pause: pause, wake: wake, from: make(chan Version, 1)}
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
			err := w.reg.Watch(ctx, v)
			w.fails.Store(err != nil)
			w.fresh.Store(err == nil)
			w.wake() // to look, or to begin polling
			if err == nil {
				continue
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(w.pause):
			}
		}
	}
}
