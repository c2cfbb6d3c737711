package locking

import "slices"

// A sweep is the removal of files that nobody needs any more.
type sweep struct {
	names []string
	done  chan struct{}
	began instant
	gone  []string // settled when done is closed
}

func (c *Coordinator) sweep(names []string) *sweep {
	w := &sweep{names: names, done: make(chan struct{}), began: now()}
	c.routines.Go(func() {
		for _, name := range names {
			if err := c.opts.Storage.Remove(c.life, name); err != nil {
				c.opts.Log.Warn("old copy of a database not removed", "lock", c.name(), "file", name, "err", err)
				continue
			}
			w.gone = append(w.gone, name)
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

// cleanUp removes the files that the record says nobody needs, once for each list.
func (k *keeper) cleanUp(r *Record) {
	if !k.c.fenced() || k.session.level != Exclusive {
		return
	}
	names := slices.Clone(r.Old)
	if r.Removing != nil && r.File != "" {
		names = append(names, r.Database)
	}
	if len(names) > 0 && (k.sweep == nil || !slices.Equal(names, k.sweep.names)) && !k.sweep.running() {
		k.sweep = k.c.sweep(names)
	}
}
