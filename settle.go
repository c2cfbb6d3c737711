package holdfast

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/ncruces/go-sqlite3"

	"github.com/holdfastdb/holdfast/locking"
)

// Settle brings back the plain name of a database that a takeover gave another one,
// so that a program without Holdfast finds it again. progress, which may be nil, is
// told how many of how many bytes are copied. It does nothing if the database has its
// plain name.
//
// Whatever a process that ever lost the database does late, it does under the plain
// name, or that of its journal. So all of them must be gone for good, or their
// machines rebooted. Settle cannot know, except for one case: while a process that
// set out to remove the plain name has not said that it did, Settle refuses unless
// force is set.
//
// It waits for processes that expire, and for those that have the database open and
// do nothing. It returns a [*HeldError] if somebody goes on using the database.
func Settle(ctx context.Context, name string, force bool, progress func(copied, total int64)) error {
	if err := settle(ctx, name, force, progress); err != nil {
		return fmt.Errorf("holdfast: settle %q: %w", name, err)
	}
	return nil
}

// errInUse ends the wait for a database that others go on using.
var errInUse = errors.New("it is in use")

func settle(ctx context.Context, name string, force bool, progress func(copied, total int64)) (err error) {
	src, err := splitSource(name, onWindows)
	if err != nil {
		return err
	}
	if err := src.check(Options{}); err != nil {
		return err
	}
	if src.private() {
		return errors.New("a database in memory or a temporary one has no other name")
	}
	w, err := src.worldOf(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	path, err := w.find(src.path)
	if err != nil {
		return err
	}
	src.params.Set("mode", "rw")
	src.params.Set("vfs", w.name)
	for key := range src.params {
		if params[key] == driverParam {
			src.params.Del(key)
		}
	}
	conn, err := sqlite3.Open(src.String())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	d := w.database(path)
	settler, ok := d.Locker.(locking.Settler)
	if !ok || d.Grade() != locking.GradeFenced {
		return fmt.Errorf("its lock is of grade %s, so the database never leaves its plain name", d.Grade())
	}
	wait, err := d.longestTTL(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// Whoever expires does so in that time; from the first byte on nobody is in the way.
	patience := time.AfterFunc(wait, func() { cancel(errInUse) })
	defer d.storage.watch(func(copied, total int64) {
		patience.Stop()
		if progress != nil {
			progress(copied, total)
		}
	})()
	return settler.Settle(ctx, force)
}

// longestTTL returns how long it takes at most until everybody who falls silent has
// expired.
func (d *database) longestTTL(ctx context.Context) (time.Duration, error) {
	s, err := d.Status(ctx)
	longest := s.TTL
	for _, e := range append(s.Holders, s.Waiters...) {
		longest = max(longest, e.TTL)
	}
	return longest + time.Second, err
}

// A watched storage tells of the copies that are made in it.
type watched struct {
	locking.Storage
	tell atomic.Pointer[func(copied, total int64)]
}

// Copy implements [locking.Storage].
func (w *watched) Copy(ctx context.Context, from, to string, progress func(copied, total int64)) error {
	return w.Storage.Copy(ctx, from, to, func(copied, total int64) {
		progress(copied, total)
		if tell := w.tell.Load(); tell != nil {
			(*tell)(copied, total)
		}
	})
}

// watch has f told, until stop is called.
func (w *watched) watch(f func(copied, total int64)) (stop func()) {
	w.tell.Store(&f)
	return func() { w.tell.CompareAndSwap(&f, nil) }
}
