// Package memory keeps a register in the memory of this process: for tests, and
// as the example to read before writing a backend.
//
// It excludes nobody outside the process, so it has no URL scheme: no database
// can be opened with it by accident.
package memory

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"sync"

	"github.com/holdfastdb/holdfast/locking"
)

var _ locking.Watcher = (*Register)(nil)

// A Register is one cell in memory. Whoever shall share it is given the same one.
type Register struct {
	mu      sync.Mutex
	present locking.Version // guarded by mu
	value   []byte          // guarded by mu; never modified in place
	swaps   uint64          // guarded by mu; outlives Wipe, so that no version comes back
	changed chan struct{}   // guarded by mu; closed and replaced at every change
	lose    bool            // guarded by mu; see LoseReply
}

// New returns a register that was never written.
func New() *Register {
	return &Register{changed: make(chan struct{})}
}

// Read returns the present value and version. Its only error is that ctx ended.
func (r *Register) Read(ctx context.Context) ([]byte, locking.Version, error) {
	if ctx.Err() != nil {
		return nil, locking.Unused, fmt.Errorf("memory: read: %w", context.Cause(ctx))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	// A copy, since a caller may write into what it got.
	return bytes.Clone(r.value), r.present, nil
}

// CompareAndSwap replaces the value if the present version is old. It returns
// [locking.ErrConflict] if that is another, [locking.ErrDoubt] after
// [Register.LoseReply], and an error if value is larger than [locking.MaxValue]
// or ctx has ended.
func (r *Register) CompareAndSwap(ctx context.Context, old locking.Version, value []byte) (locking.Version, error) {
	// Before anything is changed these are plain errors: there is no doubt.
	if ctx.Err() != nil {
		return locking.Unused, fmt.Errorf("memory: swap: %w", context.Cause(ctx))
	}
	if len(value) > locking.MaxValue {
		return locking.Unused, fmt.Errorf("memory: swap: value of %d bytes is larger than %d", len(value), locking.MaxValue)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if old != r.present {
		return locking.Unused, fmt.Errorf("memory: swap: %w", locking.ErrConflict)
	}
	r.swaps++
	r.set(locking.Version(strconv.FormatUint(r.swaps, 10)), bytes.Clone(value))
	if r.lose {
		r.lose = false
		return locking.Unused, fmt.Errorf("memory: swap: %w", locking.ErrDoubt)
	}
	return r.present, nil
}

// Watch returns nil once the version is other than known. Its only error is that
// ctx ended.
func (r *Register) Watch(ctx context.Context, known locking.Version) error {
	for {
		r.mu.Lock()
		present, changed := r.present, r.changed
		r.mu.Unlock()
		if present != known {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("memory: watch: %w", context.Cause(ctx))
		}
	}
}

// set changes the state and wakes the watchers. The caller holds mu.
func (r *Register) set(version locking.Version, value []byte) {
	r.present, r.value = version, value
	close(r.changed)
	r.changed = make(chan struct{})
}
