package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/spf13/afero"

	"github.com/holdfastdb/holdfast/backends/leasefile"
	"github.com/holdfastdb/holdfast/locking"
)

// leased is one holder of a lease in a register.
type leased struct {
	*locking.Coordinator
	locking.Lock
}

func newLeased(r locking.Register, opts locking.Options) (leased, error) {
	c, err := locking.NewCoordinator(r, opts)
	if err != nil {
		return leased{}, err
	}
	l, err := c.NewLock()
	return leased{c, l}, err
}

// take has a holder come in to write.
func (l leased) take(ctx context.Context) error {
	if err := l.Lock.Lock(ctx, locking.Shared, more); err != nil {
		return err
	}
	return l.Lock.Lock(ctx, locking.Reserved, more)
}

func more() bool { return true }

// holdfast is the side of a backend.
func holdfast(name string, open func(name string) (locking.Register, error)) *side {
	var n atomic.Int64
	return &side{name: name, round: func(ctx context.Context, note func(string, time.Duration)) error {
		r, err := open(fmt.Sprintf("bench-%d", n.Add(1)))
		if err != nil {
			return err
		}
		a, err := newLeased(r, locking.Options{})
		if err != nil {
			return err
		}
		b, err := newLeased(r, locking.Options{})
		if err != nil {
			return err
		}
		if err := timed(note, acquire, func() error { return a.take(ctx) }); err != nil {
			return err
		}
		if err := timed(note, verify, a.Verify); err != nil {
			return err
		}
		if err := a.Unlock(locking.None); err != nil {
			return err
		}
		if err := timed(note, handOver, func() error { return b.take(ctx) }); err != nil {
			return err
		}
		if err := b.Unlock(locking.None); err != nil {
			return err
		}
		if err := a.Coordinator.Close(ctx); err != nil {
			return err
		}
		if err := timed(note, release, func() error { return b.Coordinator.Close(ctx) }); err != nil {
			return err
		}
		// A renewal is one swap; the coordinator does it in the background.
		value, version, err := r.Read(ctx)
		if err != nil {
			return err
		}
		return timed(note, renew, func() error {
			_, err := r.CompareAndSwap(ctx, version, value)
			return err
		})
	}}
}

func fileSides(context.Context) ([]*side, error) {
	dir, err := os.MkdirTemp(".", "bench-")
	if err != nil {
		return nil, err
	}
	s := holdfast("leasefile on a local disk", func(name string) (locking.Register, error) {
		return leasefile.New(afero.NewOsFs(), filepath.Join(dir, name+leasefile.Suffix)), nil
	})
	s.close = func() { os.RemoveAll(dir) }
	return []*side{s}, nil
}
