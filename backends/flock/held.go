package flock

import (
	"fmt"

	"github.com/holdfastdb/holdfast/locking"
)

// heldError says who is in the way, as far as the system tells. It looks only now,
// so whoever it was may have left.
func (k *lock) heldError(wanted locking.Level) error {
	held := &locking.HeldError{Level: weakest(wanted), Wanted: wanted}
	if here := k.locker.highest(k); here >= held.Level {
		held.Holder, held.Level = k.locker.self, here
		return inThisProcess(held)
	}
	k.begin()
	defer k.done()
	if k.file == nil {
		return held
	}
	t := ranges{k.file}.blocker(wanted)
	if t.pid == 0 && t.level != locking.None {
		t = k.locker.search.blocker(k.file, t)
	}
	if t.level != locking.None {
		held.Level = t.level
	}
	held.Holder = k.locker.holder(t.pid)
	if held.Holder.PID == k.locker.self.PID {
		return inThisProcess(held)
	}
	return held
}

func inThisProcess(held *locking.HeldError) error {
	return fmt.Errorf("another connection of this process is in the way: %w", held)
}

// holder names a process of this host. It is the zero value for pid 0.
func (l *locker) holder(pid int) locking.Holder {
	switch pid {
	case 0:
		return locking.Holder{}
	case l.self.PID:
		return l.self
	}
	return locking.Holder{Host: l.self.Host, PID: pid, Program: program(pid)}
}
