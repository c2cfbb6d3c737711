//go:build linux

package chaos

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"
)

// A fencer is a process as its bank sees it.
type fencer struct {
	*process
	bank  *bank
	found *audit

	mu     sync.Mutex
	events []fenceEvent  // guarded by mu; not looked at yet
	ended  bool          // guarded by mu; nothing more will come
	more   chan struct{} // holds one
}

func (f *fencer) listen() {
	for line := range f.lines {
		var e fenceEvent
		if json.Unmarshal(line, &e) != nil {
			continue
		}
		for _, a := range []*attempt{e.Begin, e.End} {
			if a != nil {
				f.bank.note(*a)
			}
		}
		f.hand(e, false)
	}
	f.hand(fenceEvent{}, true)
}

func (f *fencer) hand(e fenceEvent, ended bool) {
	f.mu.Lock()
	f.events, f.ended = append(f.events, e), ended
	f.mu.Unlock()
	select {
	case f.more <- struct{}{}:
	default:
	}
}

// errGone is that of a process that ended; errLate of one that said nothing in time.
var (
	errGone = errors.New("the process is gone")
	errLate = errors.New("nothing came in time")
)

// await returns the next event that is wanted.
func (f *fencer) await(limit time.Duration, wanted func(fenceEvent) bool) (fenceEvent, error) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		f.mu.Lock()
		for len(f.events) > 0 {
			e := f.events[0]
			f.events = f.events[1:]
			if wanted(e) {
				f.mu.Unlock()
				return e, nil
			}
		}
		ended := f.ended
		f.mu.Unlock()
		if ended {
			return fenceEvent{}, errGone
		}
		select {
		case <-f.more:
		case <-timer.C:
			return fenceEvent{}, errLate
		}
	}
}

// send gives an order, and forgets what was said before.
func (f *fencer) send(o fenceOrder) error {
	f.mu.Lock()
	f.events = nil
	f.mu.Unlock()
	return f.tell(o)
}

// do has an order obeyed.
func (f *fencer) do(o fenceOrder) error {
	if err := f.send(o); err != nil {
		return err
	}
	e, err := f.await(fencePatience, func(e fenceEvent) bool { return e.Done == o.Do })
	if errors.Is(err, errLate) {
		return fmt.Errorf("%s: %s: %w\n%s", f, o.Do, err, f.dump())
	}
	if err == nil && e.Err != "" {
		err = errors.New(e.Err)
	}
	if err != nil {
		return fmt.Errorf("%s: %s: %w\n%s", f, o.Do, err, f.stderr)
	}
	f.found = e.Audit
	return nil
}

func committed(e fenceEvent) bool { return e.End != nil && e.End.Outcome == outcomeOK }
func ended(e fenceEvent) bool     { return e.End != nil }
func sprung(e fenceEvent) bool    { return e.Sprung != nil }

func (f *fencer) stop() { f.signal(syscall.SIGSTOP) }
func (f *fencer) cont() {
	if !f.isGone() { // or else its pid may be somebody else's
		f.signal(syscall.SIGCONT)
	}
}
