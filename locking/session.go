package locking

import (
	"fmt"
	"sync/atomic"
	"time"
)

// A session is one stay of this process in a register, under one holder ID. It
// ends with a loss; the ID is never used again.
type session struct {
	self  Holder
	ttl   time.Duration
	guard time.Duration
	clock wakeful

	level  Level   // guarded by Coordinator.mu; what the record gives this process
	limit  Level   // guarded by Coordinator.mu; what places may be given: level, or less while a step down is under way
	door   Level   // guarded by Coordinator.mu; what places that hold nothing may be given: less than level while somebody asks
	in     bool    // guarded by Coordinator.mu; the record has an entry of ours, if only as a waiter
	epoch  Epoch   // guarded by Coordinator.mu; of the record that gave level
	where  Current // guarded by Coordinator.mu; as that record says
	moving bool    // guarded by Coordinator.mu; the database is being copied, and nobody may be let in

	renewed atomic.Pointer[instant]   // when the latest write that took effect was sent; nil while level is None
	setback atomic.Pointer[error]     // what kept the keeper from its latest step; nil if that worked
	lost    atomic.Pointer[lossCause] // set once
}

// A lossCause is the [ErrLost] that says why.
type lossCause struct {
	why   string
	cause error // nil if why says it all
}

func (e *lossCause) Error() string {
	text := ErrLost.Error() + ": " + e.why
	if e.cause != nil {
		text += ": " + e.cause.Error()
	}
	return text
}

func (e *lossCause) Is(target error) bool { return target == ErrLost }
func (e *lossCause) Unwrap() error        { return e.cause }

func newSession(opts Options) *session {
	return &session{self: Self(), ttl: opts.TTL, guard: opts.Guard}
}

// check returns nil while the lease is certain. It is safe for concurrent use
// and does no I/O. A session that holds nothing cannot lose it.
func (s *session) check() error {
	if lost := s.lost.Load(); lost != nil {
		return lost
	}
	sent := s.renewed.Load()
	if sent == nil {
		return nil
	}
	if silent := s.clock.elapsed(sent); silent >= s.ttl-s.guard {
		why := fmt.Sprintf("not renewed for %v (ttl %v less guard %v)", silent.Round(time.Millisecond), s.ttl, s.guard)
		if cause := s.setback.Load(); cause != nil {
			return s.loseBy(why, told(*cause))
		}
		return s.lose(why)
	}
	return nil
}

// lose ends the session and returns the error that says so. The first cause stays.
func (s *session) lose(why string) error { return s.loseBy(why, nil) }

// loseBy is lose because of an error, which the one returned wraps.
func (s *session) loseBy(why string, cause error) error {
	s.lost.CompareAndSwap(nil, &lossCause{why, cause})
	return s.lost.Load()
}

// left returns how long the session has left.
func (s *session) left() time.Duration {
	sent := s.renewed.Load()
	if sent == nil {
		return s.ttl
	}
	return s.ttl - s.guard - sent.elapsed()
}
