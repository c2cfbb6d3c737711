package leasefile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"github.com/holdfastdb/holdfast/locking"
)

// CompareAndSwap replaces the value if the present version is old, and creates
// the register if that is [locking.Unused]. It returns [locking.ErrConflict] if
// the version is another, [locking.ErrDoubt] if a rename neither succeeded nor
// failed for sure, and otherwise an error that says why nothing was changed.
// Cancelling ctx takes effect between two system calls, up to the rename.
func (r *Register) CompareAndSwap(ctx context.Context, old locking.Version, value []byte) (locking.Version, error) {
	next, err := r.swap(ctx, old, value)
	if err != nil {
		return locking.Unused, fmt.Errorf("leasefile: swap %q: %w", r.dir, err)
	}
	r.latest.Store(&loaded{next, bytes.Clone(value)})
	return next.version(), nil
}

func (r *Register) swap(ctx context.Context, old locking.Version, value []byte) (state, error) {
	if len(value) > locking.MaxValue {
		return state{}, fmt.Errorf("value of %d bytes is larger than %d", len(value), locking.MaxValue)
	}
	if old == locking.Unused {
		return r.create(ctx, value)
	}
	prev, ok := parseState(string(old))
	if !ok {
		return state{}, locking.ErrConflict
	}
	next := prev.next()
	if err := r.prepare(ctx, prev, next, value); err != nil {
		return state{}, err
	}
	if err := r.fs.Rename(r.path(prev.token()), r.path(next.token())); err != nil {
		if err := r.judge(ctx, prev, next, err); err != nil {
			return state{}, err
		}
	}
	// The swap took effect: from here on the context does not count.
	if err := r.syncDir(r.dir); err != nil {
		return state{}, inDoubt(err, nil)
	}
	// Only after the sync: a crash may not bring back a token without its value.
	r.collect(prev, next)
	return next, nil
}

// prepare does all of a swap that nobody sees.
func (r *Register) prepare(ctx context.Context, prev, next state, value []byte) error {
	if err := r.checkPresent(ctx, prev); err != nil {
		return err
	}
	path := r.path(next.value())
	err := r.write(ctx, path, value)
	if err == nil {
		err = r.probe(path)
	}
	if err == nil {
		err = ended(ctx)
	}
	if err == nil {
		return nil
	}
	_ = r.fs.Remove(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errUnfit) {
		// Whoever swapped meanwhile may have collected the value under our hands.
		return r.overtaken(ctx, prev, err)
	}
	return err
}

// checkPresent tells a late swap so before it writes anything, and while that is
// still beyond doubt.
func (r *Register) checkPresent(ctx context.Context, prev state) error {
	if err := ended(ctx); err != nil {
		return err
	}
	if _, err := r.fs.Stat(r.path(prev.token())); !errors.Is(err, fs.ErrNotExist) {
		// Whatever else is wrong comes out at the first file that is written.
		return nil
	}
	// A cache may say that a file is missing which is there.
	return r.overtaken(ctx, prev, nil)
}

// overtaken returns [locking.ErrConflict] if the register is not at prev, and
// otherwise cause. Nothing may have been renamed.
func (r *Register) overtaken(ctx context.Context, prev state, cause error) error {
	l, err := r.look(ctx)
	present := l.state()
	switch {
	case err != nil:
		return err
	case present != prev:
		return locking.ErrConflict
	}
	return cause
}

// judge says what came of a rename of the token from prev to next that returned
// an error. It returns nil if the rename took effect.
func (r *Register) judge(ctx context.Context, prev, next state, cause error) error {
	l, err := r.look(ctx)
	present := l.state()
	switch {
	case err != nil:
		return inDoubt(cause, err)
	case present == next:
		// Sent twice, because the first answer was lost: the second found no source.
		return nil
	case present == prev && !refused(cause):
		// It may be on its way. Then it needs its value.
		return inDoubt(cause, nil)
	}
	// Either the source is gone for good or the rename was refused: no late rename
	// makes this value the present one.
	_ = r.fs.Remove(r.path(next.value()))
	switch {
	case present == prev:
		return explain(r.dir, cause)
	case present.number == next.number:
		return locking.ErrConflict
	}
	// More than one step was taken, or the register was removed. The first step may
	// have been ours.
	return inDoubt(cause, nil)
}

// write creates a file with its content, and syncs it. After an error the file
// may be there.
func (r *Register) write(ctx context.Context, path string, content []byte) error {
	if err := ended(ctx); err != nil {
		return err
	}
	f, err := r.fs.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return explain(filepath.Dir(path), err)
	}
	_, err = f.Write(content)
	if err == nil {
		err = ended(ctx)
	}
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return explain(filepath.Dir(path), err)
}

// syncDir makes the names in a directory durable, where directories can be synced.
func (r *Register) syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := r.fs.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	err = d.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}
