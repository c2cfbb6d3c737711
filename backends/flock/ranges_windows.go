package flock

import (
	"errors"
	"fmt"
	"os"

	"github.com/holdfastdb/holdfast/locking"
	"golang.org/x/sys/windows"
)

const supported = true

// ranges are the locks on one open file. They belong to the handle, so
// connections of one process exclude each other. No lock can be turned into
// another, and none be looked at without trying to take it.
//
// https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-lockfileex
type ranges struct{ *os.File }

// How a range is locked.
const (
	read  = 0
	write = windows.LOCKFILE_EXCLUSIVE_LOCK
)

// enter goes from None to Shared.
func (r ranges) enter() error {
	// A writer that waits for the readers to leave must not see new ones.
	if err := r.lock(read, pendingByte); err != nil {
		return err
	}
	err := r.lock(read, sharedBytes)
	return errors.Join(err, r.unlock(pendingByte))
}

// reserve goes from Shared to Reserved.
func (r ranges) reserve() error { return r.lock(write, reservedByte) }

// pend goes from Reserved to Pending.
func (r ranges) pend() error { return r.lock(write, pendingByte) }

// exclude goes to Exclusive from any level but None. The SHARED bytes must be freed
// first; PENDING keeps everybody out meanwhile, readers and writers alike.
func (r ranges) exclude(from locking.Level) error {
	if from < locking.Pending {
		if err := r.pend(); err != nil {
			return err
		}
	}
	err := r.swap(read, write)
	if err != nil && from < locking.Pending {
		err = errors.Join(err, r.unlock(pendingByte))
	}
	return err
}

// lower goes down to Shared. PENDING goes last, as it guards the swap.
func (r ranges) lower(from locking.Level) error {
	if from == locking.Exclusive {
		if err := r.swap(write, read); err != nil {
			return err
		}
	}
	return errors.Join(r.unlock(reservedByte), r.unlock(pendingByte))
}

// leave goes down to None.
func (r ranges) leave(locking.Level) error {
	return errors.Join(r.unlock(reservedByte), r.unlock(sharedBytes), r.unlock(pendingByte))
}

// swap locks the SHARED bytes another way, or as they were if that cannot be had.
func (r ranges) swap(from, to uint32) error {
	if err := r.unlock(sharedBytes); err != nil {
		return err
	}
	err := r.lock(to, sharedBytes)
	if err == nil {
		return nil
	}
	if back := r.lock(from, sharedBytes); back != nil {
		return fmt.Errorf("%w: %w", errLocksGone, back)
	}
	return err
}

// reserved reports whether somebody else is at Reserved or above.
func (r ranges) reserved() (bool, error) {
	switch err := r.lock(write, reservedByte); {
	case err == nil:
		return false, r.unlock(reservedByte)
	case errors.Is(err, errBusy):
		return true, nil
	default:
		return false, err
	}
}

// blocker returns a connection that is in the way of wanted. Windows does not
// tell whose it is.
func (r ranges) blocker(wanted locking.Level) tenant { return tenant{level: weakest(wanted)} }

func (r ranges) lock(how uint32, s span) error {
	err := windows.LockFileEx(windows.Handle(r.Fd()), how|windows.LOCKFILE_FAIL_IMMEDIATELY,
		0, uint32(s.size), 0, &windows.Overlapped{Offset: uint32(s.start)})
	switch {
	case errors.Is(err, windows.ERROR_LOCK_VIOLATION), errors.Is(err, windows.ERROR_IO_PENDING):
		return errBusy
	}
	return err
}

func (r ranges) unlock(s span) error {
	err := windows.UnlockFileEx(windows.Handle(r.Fd()),
		0, uint32(s.size), 0, &windows.Overlapped{Offset: uint32(s.start)})
	if errors.Is(err, windows.ERROR_NOT_LOCKED) {
		return nil
	}
	return err
}
