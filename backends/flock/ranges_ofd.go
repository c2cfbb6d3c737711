//go:build linux || darwin

package flock

import (
	"errors"
	"math"
	"os"

	"github.com/holdfastdb/holdfast/locking"
	"golang.org/x/sys/unix"
)

const supported = true

// ranges are the locks on one open file. They belong to the open file description
// and not to the process, so connections of one process exclude each other, and
// closing another descriptor on the file frees nothing.
//
// https://man7.org/linux/man-pages/man2/F_OFD_SETLK.2const.html
type ranges struct{ *os.File }

// enter goes from None to Shared.
func (r ranges) enter() error {
	// A writer that waits for the readers to leave must not see new ones. It is
	// enough to look, since what keeps a reader off a writer are the SHARED bytes.
	c, err := r.conflict(unix.F_RDLCK, pendingByte)
	if err != nil {
		return err
	}
	if c.Type != unix.F_UNLCK {
		return errBusy
	}
	return r.set(unix.F_RDLCK, sharedBytes)
}

// reserve goes from Shared to Reserved.
func (r ranges) reserve() error { return r.set(unix.F_WRLCK, reservedByte) }

// pend goes from Reserved to Pending.
func (r ranges) pend() error { return r.set(unix.F_WRLCK, pendingByte) }

// exclude goes to Exclusive from any level but None.
func (r ranges) exclude(locking.Level) error { return r.set(unix.F_WRLCK, sharedBytes) }

// lower goes down to Shared.
func (r ranges) lower(from locking.Level) error {
	if from == locking.Exclusive {
		// The kernel turns a write lock into a read lock in one step.
		if err := r.set(unix.F_RDLCK, sharedBytes); err != nil {
			return err
		}
	}
	return r.set(unix.F_UNLCK, span{pendingByte.start, pendingByte.size + reservedByte.size})
}

// leave goes down to None. To unlock the whole file is cheaper than a part of it,
// for which the kernel makes ready to split a lock.
func (r ranges) leave(locking.Level) error { return r.set(unix.F_UNLCK, span{}) }

// reserved reports whether somebody else is at Reserved or above.
func (r ranges) reserved() (bool, error) {
	c, err := r.conflict(unix.F_RDLCK, allBytes) // only writers lock for writing
	return c.Type != unix.F_UNLCK, err
}

// blocker returns a connection that is in the way of wanted. The pid is known if its
// locks belong to a process, as those of a stock sqlite3 do.
func (r ranges) blocker(wanted locking.Level) tenant {
	kind, spans := int16(unix.F_WRLCK), []span{sharedBytes, pendingByte}
	switch wanted {
	case locking.Shared:
		kind = unix.F_RDLCK
	case locking.Reserved:
		spans = []span{reservedByte}
	}
	for _, s := range spans {
		c, err := r.conflict(kind, s)
		if err == nil && c.Type != unix.F_UNLCK {
			return tenant{pid: max(0, int(c.Pid)), level: levelOf(c.Type == unix.F_WRLCK, c.Start, lastByte(c))}
		}
	}
	return tenant{}
}

func lastByte(lk unix.Flock_t) int64 {
	if lk.Len == 0 {
		return math.MaxInt64
	}
	return lk.Start + lk.Len - 1
}

func (r ranges) set(kind int16, s span) error {
	for {
		lk := unix.Flock_t{Type: kind, Start: s.start, Len: s.size}
		switch err := unix.FcntlFlock(r.Fd(), ofdSetLock, &lk); {
		case err == nil:
			return nil
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EACCES):
			return errBusy // POSIX lets a system choose between the two
		default:
			return err
		}
	}
}

// conflict returns a lock of somebody else that stands against one of this kind.
// Its type is F_UNLCK if there is none.
func (r ranges) conflict(kind int16, s span) (unix.Flock_t, error) {
	for {
		lk := unix.Flock_t{Type: kind, Start: s.start, Len: s.size}
		if err := unix.FcntlFlock(r.Fd(), ofdGetLock, &lk); !errors.Is(err, unix.EINTR) {
			return lk, err
		}
	}
}
