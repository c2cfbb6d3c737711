//go:build linux

package chaos

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/afero"

	"github.com/holdfastdb/holdfast/backends/leasefile"
	"github.com/holdfastdb/holdfast/locking"
)

// Locks that are broken on purpose, to see that the tests notice.
func init() {
	locking.RegisterBackend("always", func(context.Context, *url.URL, string, locking.Options) (locking.Locker, error) {
		return &brokenLocker{try: func() error { return nil }, leave: func() {}}, nil
	})
	locking.RegisterBackend("pidfile", func(_ context.Context, _ *url.URL, path string, _ locking.Options) (locking.Locker, error) {
		file := path + ".lock"
		return &brokenLocker{try: func() error { return takePIDFile(file) }, leave: func() { os.Remove(file) }}, nil
	})
	locking.RegisterBackend("hanging", locking.LeaseBackend(func(_ context.Context, u *url.URL, path string) (locking.Register, error) {
		return hangingRegister{leasefile.New(afero.NewOsFs(), path+leasefile.Suffix), filepath.Dir(path)}, nil
	}))
}

// A brokenLocker lets processes exclude each other by one lock for all levels, in
// the way it is told. Among the connections of a process it does nothing: it is
// for processes with one.
type brokenLocker struct {
	try   func() error
	leave func()

	mu sync.Mutex
	in int // guarded by mu; connections that hold anything
}

func (l *brokenLocker) Grade() locking.Grade            { return locking.GradeKernel }
func (l *brokenLocker) NewLock() (locking.Lock, error)  { return &brokenLock{l: l}, nil }
func (l *brokenLocker) Close(ctx context.Context) error { return nil }

func (l *brokenLocker) Current(context.Context) (locking.Current, error) {
	return locking.Current{}, nil
}

func (l *brokenLocker) Status(ctx context.Context) (locking.Status, error) {
	return locking.Status{Grade: l.Grade()}, nil
}

type brokenLock struct {
	l     *brokenLocker
	level locking.Level
}

func (k *brokenLock) Lock(_ context.Context, level locking.Level, again func() bool) error {
	k.l.mu.Lock()
	defer k.l.mu.Unlock()
	for k.level == locking.None && k.l.in == 0 {
		err := k.l.try()
		if err == nil {
			break
		}
		if again == nil || !again() {
			return fmt.Errorf("%w: %w", locking.ErrHeld, err)
		}
	}
	if k.level == locking.None {
		k.l.in++
	}
	k.level = level
	return nil
}

func (k *brokenLock) Unlock(level locking.Level) error {
	k.l.mu.Lock()
	defer k.l.mu.Unlock()
	if level == locking.None && k.level != locking.None {
		if k.l.in--; k.l.in == 0 {
			k.l.leave()
		}
	}
	k.level = min(k.level, level)
	return nil
}

func (k *brokenLock) Level() locking.Level                   { return k.level }
func (k *brokenLock) Reserved(context.Context) (bool, error) { return false, nil }
func (k *brokenLock) Check() error                           { return nil }
func (k *brokenLock) Epoch() locking.Epoch                   { return 0 }
func (k *brokenLock) Verify() error                          { return nil }
func (k *brokenLock) Doubt(error) error                      { return nil }
func (k *brokenLock) Current() locking.Current               { return locking.Current{} }
func (k *brokenLock) Changes() uint64                        { return 0 }
func (k *brokenLock) Close() error                           { return k.Unlock(locking.None) }

// takePIDFile is the dot-file lock as it is often shipped: whoever finds a lock by a
// pid that does not live here takes it for a leftover. It is right as long as all
// processes see each other.
func takePIDFile(name string) error {
	for {
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if err == nil {
			_, err = fmt.Fprint(f, os.Getpid())
			return errors.Join(err, f.Close())
		}
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
		text, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		pid, bad := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil || bad != nil { // it is just being written
			return fs.ErrExist
		}
		if pid != os.Getpid() && syscall.Kill(pid, 0) != syscall.ESRCH {
			return fs.ErrExist
		}
		os.Remove(name) // our own former life's, or a dead one's
	}
}

// A hangingRegister is a lease file whose storage stops to answer, whatever the
// context says, once a file called "hang" lies beside it.
type hangingRegister struct {
	locking.Register
	dir string
}

func (r hangingRegister) wait() {
	if _, err := os.Stat(filepath.Join(r.dir, "hang")); err == nil {
		select {}
	}
}

func (r hangingRegister) Read(ctx context.Context) ([]byte, locking.Version, error) {
	r.wait()
	return r.Register.Read(ctx)
}

func (r hangingRegister) CompareAndSwap(ctx context.Context, old locking.Version, value []byte) (locking.Version, error) {
	r.wait()
	return r.Register.CompareAndSwap(ctx, old, value)
}
