package vfstest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"time"

	"github.com/holdfastdb/holdfast/locking"
	"github.com/holdfastdb/holdfast/vfs"
	sqlitevfs "github.com/ncruces/go-sqlite3/vfs"
	"github.com/spf13/afero"
)

// A stale is what can be wrong with the locks of a process that does not notice that
// it expired. Its clock stands still, whatever is wrong besides.
type stale struct {
	unverified bool        // every look at the register says that all is well
	permitted  func() bool // if it says so, only this look does
}

// A frozen Locker gives out locks of a process whose clock stands still.
type frozen struct {
	locking.Locker
	stale
}

func (f frozen) NewLock() (locking.Lock, error) {
	l, err := f.Locker.NewLock()
	if err != nil {
		return nil, err
	}
	return frozenLock{l.(locking.SoleLock), f.stale}, nil
}

type frozenLock struct {
	locking.SoleLock
	stale
}

func (frozenLock) Check() error { return nil }

func (l frozenLock) Verify() error {
	if l.unverified || l.permitted != nil && l.permitted() {
		return nil
	}
	return l.SoleLock.Verify()
}

// A cell is a register that cannot be watched, and stays when a process leaves.
type cell struct{ locking.Register }

func (cell) Close() error { return nil }

// process makes a VFS of a process and returns its name.
func process(files afero.Fs, reg locking.Register, poll time.Duration, wrap func(locking.Locker) locking.Locker) string {
	name := fmt.Sprintf("process-%d", registered.Add(1))
	sqlitevfs.Register(name, vfs.New(files, func(_ context.Context, _ string, _ url.Values, storage locking.Storage) (locking.Locker, error) {
		c, err := locking.NewCoordinator(cell{reg}, locking.Options{
			TTL: max(30*time.Second, 3*poll), Poll: poll, Timeout: time.Minute, Storage: storage, Log: slog.New(slog.DiscardHandler),
		})
		return wrap(c), err
	}))
	return name
}

func whole(l locking.Locker) locking.Locker { return l }

// record reads a register.
func record(reg locking.Register) (locking.Record, locking.Version, error) {
	value, version, err := reg.Read(context.Background())
	if err != nil {
		return locking.Record{}, version, err
	}
	r, err := locking.DecodeRecord(value)
	return r, version, err
}

// writes reports whether somebody is at a writing level.
func writes(reg locking.Register) bool {
	r, _, err := record(reg)
	return err == nil && slices.ContainsFunc(r.Entries, func(e locking.Entry) bool { return e.Level.Writing() })
}

// evict has everybody in the record expire, without telling them.
func evict(reg locking.Register, database string) error {
	for {
		r, version, err := record(reg)
		if err != nil {
			return err
		}
		req := locking.Request{Holder: locking.Holder{ID: "evictor"}, Fence: &locking.Fencing{Database: database}}
		for _, e := range r.Entries {
			req.Expired = append(req.Expired, e.Holder.ID)
		}
		next, _ := r.Step(req)
		value, err := next.Encode()
		if err != nil {
			return err
		}
		if _, err = reg.CompareAndSwap(context.Background(), version, value); !errors.Is(err, locking.ErrConflict) {
			return err
		}
	}
}
