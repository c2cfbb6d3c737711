package vfs

import (
	"context"
	"fmt"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfastdb/holdfast/locking"
)

// An arbiter is the locks of one database among processes that all live in this
// test. Unlike a lease, it can take a process's place away at an exact point.
type arbiter struct {
	mu    sync.Mutex
	locks map[*testLock]bool // all that are not closed
	moves int                // counts what others should notice
}

func newArbiter() *arbiter { return &arbiter{locks: make(map[*testLock]bool)} }

// A process is the Locker of one process.
type process struct {
	a       *arbiter
	name    string
	grade   locking.Grade
	changes uint64
	left    int // a.moves when it last held nothing
	closes  int

	// onCheck, if set, is called with each Check before it answers.
	onCheck func(*testLock)

	verifies atomic.Int64
	onVerify func() error // if set, answers Verify
	doubted  error        // the last cause given to Doubt; it loses nothing
}

func (a *arbiter) process(name string) *process {
	return &process{a: a, name: name, grade: locking.GradeLease}
}

func (p *process) open(context.Context, string, url.Values, locking.Storage) (locking.Locker, error) {
	return p, nil
}

func (p *process) NewLock() (locking.Lock, error) {
	p.a.mu.Lock()
	defer p.a.mu.Unlock()
	l := &testLock{p: p}
	p.a.locks[l] = true
	return l, nil
}

func (p *process) Grade() locking.Grade { return p.grade }

func (p *process) Current(context.Context) (locking.Current, error) {
	return locking.Current{}, nil
}

func (p *process) Status(context.Context) (locking.Status, error) {
	return locking.Status{Grade: p.grade}, nil
}

func (p *process) Close(context.Context) error {
	p.closes++
	return nil
}

// lose ends the process's place: whatever its locks held is free for others. It
// reports whether they held anything.
func (p *process) lose() (held bool) {
	p.a.mu.Lock()
	defer p.a.mu.Unlock()
	held = p.in()
	for l := range p.a.locks {
		if l.p == p && l.held > locking.None {
			l.lost = true
			l.held = locking.None
		}
	}
	p.a.moves++
	p.left = -1
	return held
}

type testLock struct {
	p     *process
	level locking.Level // what the connection believes
	held  locking.Level // what the arbiter grants
	sole  bool          // asked for
	alone bool          // in effect since the level left None
	lost  bool
}

func (l *testLock) SetSole(sole bool) { l.sole = sole }

func (l *testLock) Lock(ctx context.Context, level locking.Level, again func() bool) error {
	for {
		err := l.try(level)
		if err == nil || again == nil || err == locking.ErrLost || !again() {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Millisecond):
		}
	}
}

func (l *testLock) try(level locking.Level) error {
	a := l.p.a
	a.mu.Lock()
	defer a.mu.Unlock()
	if l.lost {
		return locking.ErrLost
	}
	if l.held == locking.None {
		l.alone = l.sole
	}
	if level == locking.Exclusive && l.held < locking.Pending {
		if l.blocked(locking.Reserved) != nil {
			return l.blocked(level)
		}
		l.level, l.held = locking.Pending, locking.Pending
	}
	if err := l.blocked(level); err != nil {
		return err
	}
	if l.held == locking.None && !l.p.in() {
		if l.p.left != a.moves {
			l.p.changes++
		}
	}
	l.level, l.held = level, level
	a.moves++
	return nil
}

// in reports whether the process holds anything. Called with a.mu held.
func (p *process) in() bool {
	for o := range p.a.locks {
		if o.p == p && o.held > locking.None {
			return true
		}
	}
	return false
}

// blocked is called with a.mu held.
func (l *testLock) blocked(level locking.Level) error {
	for o := range l.p.a.locks {
		if o == l || o.held == locking.None {
			continue
		}
		var in bool
		switch level {
		case locking.Shared:
			in = o.held >= locking.Pending
		case locking.Reserved:
			in = o.held >= locking.Reserved
		default:
			in = true
		}
		if in || o.p != l.p && (o.alone || l.alone) {
			return &locking.HeldError{Holder: locking.Holder{Program: o.p.name, PID: 1}, Level: o.held, Wanted: level}
		}
	}
	return nil
}

func (l *testLock) Unlock(level locking.Level) error {
	l.p.a.mu.Lock()
	defer l.p.a.mu.Unlock()
	held := l.held > locking.None
	l.level, l.held = min(l.level, level), min(l.held, level)
	if held && !l.p.in() {
		l.p.a.moves++
		l.p.left = l.p.a.moves
	}
	return nil
}

func (l *testLock) Level() locking.Level { return l.level }

func (l *testLock) Reserved(context.Context) (bool, error) {
	l.p.a.mu.Lock()
	defer l.p.a.mu.Unlock()
	for o := range l.p.a.locks {
		if o.held >= locking.Reserved {
			return true, nil
		}
	}
	return false, nil
}

func (l *testLock) Check() error {
	if f := l.p.onCheck; f != nil {
		f(l)
	}
	l.p.a.mu.Lock()
	defer l.p.a.mu.Unlock()
	if l.lost {
		return locking.ErrLost
	}
	return nil
}

func (l *testLock) Epoch() locking.Epoch { return 0 }

func (l *testLock) Verify() error {
	l.p.verifies.Add(1)
	if l.p.onVerify != nil {
		return l.p.onVerify()
	}
	return l.Check()
}

func (l *testLock) Doubt(cause error) error {
	l.p.doubted = cause
	return fmt.Errorf("%w: %w", locking.ErrLost, cause)
}

func (l *testLock) Current() locking.Current { return locking.Current{} }

func (l *testLock) Changes() uint64 {
	l.p.a.mu.Lock()
	defer l.p.a.mu.Unlock()
	return l.p.changes
}

func (l *testLock) Close() error {
	l.Unlock(locking.None)
	l.p.a.mu.Lock()
	defer l.p.a.mu.Unlock()
	delete(l.p.a.locks, l)
	return nil
}

var _ locking.SoleLock = (*testLock)(nil)
