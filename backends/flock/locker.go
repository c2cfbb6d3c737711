package flock

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/holdfastdb/holdfast/locking"
)

const (
	// leaseSuffix makes the name of the lease register of a database.
	leaseSuffix = ".lease"
	// markerSuffix makes the name of the file that says that a database is used
	// with a lease that may lie elsewhere.
	markerSuffix = ".holdfast"
	// closeTimeout bounds a wait for system calls that hang.
	closeTimeout = 5 * time.Second
)

// A locker is the [locking.Locker] of one database.
type locker struct {
	database string
	self     locking.Holder

	mu     sync.Mutex
	locks  map[*lock]bool // guarded by mu
	file   os.FileInfo    // of the first file locked; nil before; guarded by mu
	closed bool           // guarded by mu
	search search
}

var _ locking.Locker = (*locker)(nil)

// New returns the locks of the database at an absolute path. The file need not
// exist yet, but it must before the first lock is taken, since what is locked is
// the file.
//
// It returns an error if there is a lease register beside the database, or a marker
// that speaks of one elsewhere, or if the
// system has no suitable locks; the latter is [errors.ErrUnsupported].
func New(database string) (locking.Locker, error) {
	if !supported {
		return nil, fmt.Errorf("flock: lock %q: %w on this system: use lock=leasefile", database, errors.ErrUnsupported)
	}
	l := &locker{database: database, self: locking.Self(), locks: make(map[*lock]bool)}
	return l, l.refuseLease()
}

// refuseLease returns an error if the database is used with a lease.
func (l *locker) refuseLease() error {
	register := l.database + leaseSuffix
	switch _, err := os.Lstat(register); {
	case err == nil:
		return fmt.Errorf("flock: lock %q: there is a lease register beside it, so other hosts may be using it: "+
			"use lock=leasefile, or remove %q once nobody uses the database", l.database, register)
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("flock: look for a lease register: %w", err)
	}
	marker := l.database + markerSuffix
	text, err := os.ReadFile(marker)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("flock: look for a lease: %w", err)
	}
	var says struct{ Lock string }
	lease := "a lease"
	if json.Unmarshal(text, &says) == nil && says.Lock != "" {
		lease = "lock=" + says.Lock
	}
	return fmt.Errorf("flock: lock %q: other processes use it with %s, as %q says: "+
		"use that lock too, or run holdfast settle and then remove that file", l.database, lease, marker)
}

// NewLock implements [locking.Locker]. It looks for a lease register again. If
// the file exists it is opened now, so that it is the very one whose bytes the
// caller has opened just before.
func (l *locker) NewLock() (locking.Lock, error) {
	if err := l.refuseLease(); err != nil {
		return nil, err
	}
	k := &lock{locker: l, turn: make(chan struct{}, 1)}
	if err := k.open(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		if k.file != nil {
			k.file.Close()
		}
		return nil, locking.ErrClosed
	}
	l.locks[k] = true
	return k, nil
}

// openFile opens the database for locking, for writing too if that is allowed.
func (l *locker) openFile() (file *os.File, writable bool, err error) {
	if file, err = os.OpenFile(l.database, os.O_RDWR, 0); err == nil {
		return file, true, nil
	}
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		file, err = os.Open(l.database)
	}
	return file, false, err
}

// checkSame returns an error if the file is not the one that was locked first:
// somebody put another in its place, and connections that are open still use the
// old one.
func (l *locker) checkSame(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		l.file = info
	}
	if !os.SameFile(l.file, info) {
		return errors.New("another file was put in its place while it was open: close all connections to it and open it again")
	}
	return nil
}

// Grade implements [locking.Locker].
func (l *locker) Grade() locking.Grade { return locking.GradeKernel }

// Close implements [locking.Locker]. Its bound is 5 seconds, which it needs only
// if the file system hangs.
func (l *locker) Close(ctx context.Context) error {
	l.mu.Lock()
	l.closed = true
	locks := slices.Collect(maps.Keys(l.locks))
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	var errs []error
	for _, k := range locks {
		errs = append(errs, k.end(ctx))
	}
	return errors.Join(errs...)
}

// forget removes a lock that was closed.
func (l *locker) forget(k *lock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.locks, k)
}

// highest returns the highest level that a lock here holds, leaving one out.
func (l *locker) highest(but *lock) locking.Level {
	l.mu.Lock()
	defer l.mu.Unlock()
	level := locking.None
	for k := range l.locks {
		if k != but {
			level = max(level, k.Level())
		}
	}
	return level
}
