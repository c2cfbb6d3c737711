package leasefile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/spf13/afero"

	"github.com/holdfastdb/holdfast/internal/remotedir"
	"github.com/holdfastdb/holdfast/locking"
)

var _ locking.Register = (*Register)(nil)

// tries bounds how often something that a swap of somebody else spoiled is tried
// again, at once at first and then more slowly: for an eighth of a second.
const tries = 16

// A Register is one cell in a directory.
type Register struct {
	fs     afero.Fs
	dir    string      // cleaned
	probed atomic.Bool // the file system passed probe

	files  directory
	latest atomic.Pointer[loaded] // what was read or written last; nil if nothing was
}

// A loaded value is that of a state, which never gets another one.
type loaded struct {
	state state
	value []byte
}

// New returns the register in the directory dir of fsys, such as
// /data/app.db.lease. It does no I/O: the first swap from [locking.Unused]
// creates dir, whose parent must exist.
func New(fsys afero.Fs, dir string) *Register {
	dir = filepath.Clean(dir)
	return &Register{fs: fsys, dir: dir, files: remotedir.New(fsys, dir)}
}

// String returns the lock URL of the register, such as
// leasefile:///data/app.db.lease.
func (r *Register) String() string { return lockURL(r.dir) }

// Read returns the present value and version, by one listing, and one file if the
// version is not the one that was read or written last. On SMB it asks first whether
// it still is that one, and does not list if so. It writes nothing. It returns
// [locking.ErrForeign] if dir is something else, [locking.ErrRecord] if it is a
// register from which files were removed, and [locking.ErrUnreachable] if others change
// it each time before its value is read.
// Cancelling ctx takes effect between two system calls.
func (r *Register) Read(ctx context.Context) ([]byte, locking.Version, error) {
	value, present, err := r.read(ctx)
	if err != nil {
		return nil, locking.Unused, fmt.Errorf("leasefile: read %q: %w", r.dir, err)
	}
	return value, present.version(), nil
}

func (r *Register) read(ctx context.Context) ([]byte, state, error) {
	if err := ended(ctx); err != nil {
		return nil, state{}, err
	}
	if known := r.latest.Load(); known != nil && r.stands(known.state) {
		return bytes.Clone(known.value), known.state, nil
	}
	var last error
	var failed, before state // whose values could not be read at the last two tries
	for try := range tries {
		if err := pause(ctx, try); err != nil {
			return nil, state{}, err
		}
		l, err := r.look(ctx)
		if err != nil || len(l.tokens) == 0 {
			return nil, state{}, err
		}
		present := l.state()
		if known := r.latest.Load(); known != nil && known.state == present && slices.Contains(l.values, present) {
			return bytes.Clone(known.value), present, nil
		}
		if err := ended(ctx); err != nil {
			return nil, state{}, err
		}
		value, err := r.load(present)
		if err == nil {
			r.latest.Store(&loaded{present, bytes.Clone(value)})
			return value, present, nil
		}
		// Whoever swapped since the look also removed the value. That shows in many
		// ways: as a missing file, a stale handle, or one that is being deleted.
		last, failed, before = err, present, failed
	}
	switch {
	case failed != before:
		last = fmt.Errorf("%w: it changes faster than it can be read: %v", locking.ErrUnreachable, last)
	case errors.Is(last, fs.ErrNotExist):
		last = fmt.Errorf("%w: the value is missing: %w; somebody removed files: %s", locking.ErrRecord, last, removeRemedy)
	}
	return nil, state{}, last
}

// load reads the value of a state.
func (r *Register) load(s state) ([]byte, error) {
	f, err := r.fs.OpenFile(r.path(s.value()), os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	value, err := io.ReadAll(io.LimitReader(f, locking.MaxValue+1))
	if err == nil && len(value) > locking.MaxValue {
		err = fmt.Errorf("%w: %q is larger than %d bytes", locking.ErrRecord, f.Name(), locking.MaxValue)
	}
	return value, err
}

// path returns the path of a file of the register.
func (r *Register) path(name string) string { return filepath.Join(r.dir, name) }

// ended returns the cause of ctx's end, or nil.
func ended(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return context.Cause(ctx)
}

// pause waits before a try, but for the first two.
func pause(ctx context.Context, try int) error {
	if try < 2 {
		return ended(ctx)
	}
	timer := time.NewTimer(time.Duration(try) * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
