package locking

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A shelf is a [Storage] in memory, on which each file is the list of what was
// committed to it.
type shelf struct {
	mu     sync.Mutex
	files  map[string][]int                       // guarded by mu
	copied []string                               // guarded by mu; the copies that were begun
	slow   time.Duration                          // how long a copy takes
	letGo  atomic.Int32                           // how often it was told
	fault  func(n int, to string) (instead error) // asked at the end of the n-th copy
}

func newShelf() *shelf { return &shelf{files: map[string][]int{"app.db": nil}} }

func (s *shelf) Name() string { return "app.db" }

func (s *shelf) LetGo() { s.letGo.Add(1) }

func (s *shelf) Copy(ctx context.Context, from, to string, progress func(copied, total int64)) error {
	s.mu.Lock()
	s.copied = append(s.copied, to)
	n := len(s.copied)
	s.mu.Unlock()
	progress(50, 100)
	select {
	case <-time.After(s.slow):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	content, ok := s.files[from]
	if !ok {
		return fmt.Errorf("%s: %w", from, fs.ErrNotExist)
	}
	if s.fault != nil {
		if err := s.fault(n, to); err != nil {
			return err
		}
	}
	if _, taken := s.files[to]; taken && to != "app.db" {
		return fs.ErrExist
	}
	s.files[to] = slices.Clone(content)
	progress(100, 100)
	return nil
}

func (s *shelf) Remove(_ context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.files, name)
	return nil
}

func (s *shelf) names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for name := range s.files {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (s *shelf) content() map[string][]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.files)
}

func (s *shelf) copies() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.copied)
}

func (s *shelf) append(name string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if content, ok := s.files[name]; ok {
		s.files[name] = append(content, n)
	}
}

func fenced(s *shelf) Options { return Options{TTL: 10 * time.Second, Storage: s, Log: quiet} }

// freeze has a coordinator fall silent, as one that was stopped: it holds what it
// holds, and does not renew it. It is gone by the end of the test.
func freeze(t *testing.T, reg *cell, opts Options, level Level) Lock {
	t.Helper()
	silent := &mute{cell: reg}
	c := open(t, silent, opts)
	l := newLock(t, c)
	for _, to := range []Level{Shared, Reserved, Exclusive} {
		if to <= level {
			must(t, l.Lock(t.Context(), to, patient(time.Minute)))
		}
	}
	synctest.Wait()
	silent.off.Lock()
	silent.silent = true
	silent.off.Unlock()
	return l
}

// A mute register lets nothing through once it is silent.
type mute struct {
	*cell
	off    sync.Mutex
	silent bool
}

func (m *mute) isSilent() bool {
	m.off.Lock()
	defer m.off.Unlock()
	return m.silent
}

func (m *mute) Read(ctx context.Context) ([]byte, Version, error) {
	if m.isSilent() {
		<-ctx.Done()
		return nil, "", ctx.Err()
	}
	return m.cell.Read(ctx)
}

func (m *mute) CompareAndSwap(ctx context.Context, old Version, value []byte) (Version, error) {
	if m.isSilent() {
		<-ctx.Done()
		return "", ErrDoubt
	}
	return m.cell.CompareAndSwap(ctx, old, value)
}

// enter comes in at SHARED and returns where the database is.
func enter(t *testing.T, c *Coordinator, patience time.Duration) (Lock, Current) {
	t.Helper()
	l := newLock(t, c)
	must(t, l.Lock(t.Context(), Shared, patient(patience)))
	return l, l.Current()
}
