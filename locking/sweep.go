package locking

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// A sweep is the removal of files that nobody needs any more. Its methods may be called
// on nil, which is none.
type sweep struct {
	file  string // what the record named as the database
	names []string
	done  chan struct{}
	began instant
	gone  []string // settled when done is closed
	err   error    // likewise: why the last of the others is not
}

func (c *Coordinator) sweep(file string, names []string) *sweep {
	w := &sweep{file: file, names: names, done: make(chan struct{}), began: now()}
	c.routines.Go(func() {
		for _, name := range names {
			if err := c.opts.Storage.Remove(c.life, name); err != nil {
				w.err = err
			} else {
				w.gone = append(w.gone, name)
			}
		}
		if w.err != nil {
			c.opts.Log.Warn("old copies of a database not removed", "lock", c.name(), "files", len(names)-len(w.gone), "err", w.err)
		}
		close(w.done)
		c.wake()
	})
	return w
}

func (w *sweep) running() bool {
	if w == nil {
		return false
	}
	select {
	case <-w.done:
		return false
	default:
		return true
	}
}

// left returns how much longer a sweep is waited for, if it is waited for so long in
// all. It can take long: an NFS server first asks a client that it cannot reach to give
// the file back.
func (w *sweep) left(d time.Duration) time.Duration {
	if !w.running() {
		return 0
	}
	return max(0, d-w.began.elapsed())
}

// wait waits for it as long as that, or until ctx ends.
func (w *sweep) wait(ctx context.Context, d time.Duration) {
	left := w.left(d)
	if left == 0 {
		return
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-w.done:
	case <-ctx.Done():
	case <-timer.C:
	}
}

// removed returns the names that were found or made to be gone. The plain name is there
// again once the database was settled: the file is another one by that.
func (w *sweep) removed(file string) []string {
	if w == nil || w.running() || w.file != file {
		return nil
	}
	return w.gone
}

// cleanUp removes the files that the record says nobody needs, once for each list. None
// of them is the database, or will be, so it may be while that is copied.
func (k *keeper) cleanUp(r *Record) {
	if !k.c.fenced() || k.session.level != Exclusive || k.sweep.running() {
		return
	}
	names := slices.Clone(r.Old)
	if r.Removing != nil && r.File != "" {
		names = append(names, r.Database)
	}
	if len(names) > 0 && (k.sweep == nil || k.sweep.file != r.File || !slices.Equal(names, k.sweep.names)) {
		k.sweep = k.c.sweep(r.File, names)
	}
}

// maySettle reports whether nothing that was begun here can remove the plain name any
// more. If it can, it tells the one who waits for that.
func (k *keeper) maySettle(in *settling) bool {
	w, plain := k.sweep, k.c.opts.Storage.Name()
	if w == nil || !slices.Contains(w.names, plain) {
		return true
	}
	k.c.mu.Lock()
	defer k.c.mu.Unlock()
	if in.removing = w.running(); in.removing {
		return false
	}
	if slices.Contains(w.gone, plain) {
		return true
	}
	in.failed = fmt.Errorf("the removal of the plain name failed, and may still happen: %w: see that the storage answers, then settle again", w.err)
	k.c.broadcast()
	return false
}
