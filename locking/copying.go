package locking

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"
)

// A copying is one copy of the database, in the background. Its methods may be
// called on nil, which is none.
type copying struct {
	from, to string
	plain    bool // to is the plain name, the only one that will do
	began    instant
	cancel   context.CancelFunc
	done     chan struct{}
	err      error // settled when done is closed
	removed  bool  // likewise: nothing is left of one that failed

	copied, total atomic.Int64
}

// copy begins to copy the database, once there is more room by a removal, unless that
// takes long.
func (c *Coordinator) copy(from, to string, room *sweep) *copying {
	ctx, cancel := context.WithCancel(c.life)
	w := &copying{from: from, to: to, plain: to == c.opts.Storage.Name(), began: now(), cancel: cancel, done: make(chan struct{})}
	c.routines.Go(func() {
		defer cancel()
		room.wait(ctx, c.opts.Timeout/2)
		w.err = c.opts.Storage.Copy(ctx, from, to, func(copied, total int64) {
			w.copied.Store(copied)
			w.total.Store(total)
		})
		if w.err != nil && !w.plain { // by the plain name there may be what somebody else put there
			w.removed = c.opts.Storage.Remove(c.life, to) == nil
		}
		close(w.done)
		c.wake()
	})
	return w
}

// abandon has it end soon.
func (w *copying) abandon() {
	if w != nil {
		w.cancel()
	}
}

func (w *copying) ended() bool {
	if w == nil {
		return false
	}
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}

// spoilt reports, of one that ended, whether it is to be made anew by another name.
func (w *copying) spoilt() bool {
	// A request that was sent twice finds what the first one created.
	return !w.plain && (errors.Is(w.err, ErrMoved) || errors.Is(w.err, fs.ErrExist))
}

// failure returns why the copy cannot be made.
func (w *copying) failure() error {
	if !w.ended() || w.err == nil || w.spoilt() {
		return nil
	}
	return fmt.Errorf("locking: the database could not be copied: %w", w.err)
}
