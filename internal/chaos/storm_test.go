//go:build linux

package chaos

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A storm is a number of processes on one database, and what is done to them.
//
// Processes are killed at any moment. They are stopped at any moment too, for less
// than the guard interval: that is what the grade "lease" allows for between the
// look at the deadline and the write that follows. For longer than that, up to
// several times the TTL, a writer is stopped at places where it is in the middle of
// no write: at rest, between two reads of a transaction, or in a write transaction
// before its commit, with part of it in the file already. A stop of seconds that
// hits in the middle of a system call that writes would let the write land after
// the next holder's, which is what the grade says that it cannot prevent. Those who
// only read are stopped anywhere for as long.
type storm struct {
	t     *testing.T
	path  string
	lock  []string // parameters of the lock
	times []string // further ones of those who work: a ttl so short that there are losses
	ttl   time.Duration
	guard time.Duration
	limit time.Duration // of an operation
	slots []*slot

	wanted func() bool // whether enough has happened; nil if that does not matter

	mu       sync.Mutex
	rng      *rand.Rand           // guarded by mu
	launched int64                // guarded by mu
	ops      map[int64]*operation // guarded by mu
	order    []*operation         // guarded by mu; in order of their calls, as heard
	closes   []closing            // guarded by mu
	troubles []string             // guarded by mu
	counts   map[string]int       // guarded by mu; what was done to processes
	ending   bool                 // guarded by mu
}

// A closing is one Close of a database.
type closing struct {
	reply
	took time.Duration // without the stops
}

// A slot is a place for one process, which is started anew when it was killed.
type slot struct {
	s         *storm
	readOnly  bool
	clients   int
	wrap      wrap
	provable  bool     // the death of its process is, to some of the others
	lock      []string // further parameters
	stopped   []span   // guarded by s.mu; of the present process
	p         *process // guarded by s.mu; nil between two
	killed    bool     // guarded by s.mu; p was
	busy      bool     // guarded by s.mu; something is being done to p
	halts     int      // guarded by s.mu; orders to halt so far
	halted    chan int // numbers of those that were obeyed
	completed int      // guarded by s.mu; operations that succeeded
}

// A span is a time by monotonic during which a process did not run.
type span struct{ from, to int64 }

// alone is how many clients a process has that can be halted: another one might be
// in the middle of a write while the first halts.
const alone = 1

// newSlots makes places for writers with one client and with several, and for
// readers; some on the host, some contained, some without stickiness.
func (s *storm) newSlots(n int, contained wrap) {
	for i := range n {
		sl := &slot{s: s, clients: alone, wrap: host, provable: true, halted: make(chan int, 16)}
		if (i%2 == 1) != (i%8 >= 4) {
			sl.wrap, sl.provable = contained, false
		}
		switch i % 8 {
		case 2, 6:
			sl.clients = 3
		case 3:
			sl.readOnly = true
		case 7:
			sl.lock = []string{"sticky", "off"}
		}
		s.slots = append(s.slots, sl)
	}
}

// settings draws the settings of the next process of a slot.
func (sl *slot) settings() stormSettings {
	s := sl.s
	s.mu.Lock()
	defer s.mu.Unlock()
	s.launched++
	set := stormSettings{Number: s.launched, ReadOnly: sl.readOnly, Seed: s.rng.Uint64(), Limit: s.limit}
	for range sl.clients {
		params := slices.Concat(s.lock, s.times, sl.lock)
		params = append(params, "_pragma", "busy_timeout(60000)")
		if sl.readOnly {
			params = append(params, "mode", "ro")
		} else {
			modes := []string{"delete", "truncate", "persist"}
			params = append(params,
				"_pragma", "cache_size(5)",
				"_pragma", "journal_mode("+modes[s.rng.IntN(len(modes))]+")",
				"_txlock", []string{"deferred", "immediate"}[s.rng.IntN(2)])
		}
		set.DSNs = append(set.DSNs, dsn(s.path, params...))
	}
	return set
}

// run keeps a process in the slot until the storm ends.
func (sl *slot) run() {
	s := sl.s
	for !s.isEnding() {
		p, err := launch(s.t, "storm", sl.settings(), sl.wrap)
		if err != nil {
			s.trouble("%v", err)
			return
		}
		s.mu.Lock()
		sl.p, sl.killed, sl.stopped = p, s.ending, nil
		late := s.ending
		s.mu.Unlock()
		if late { // nobody would tell it to end
			p.kill()
		}
		sl.hear(p)
		<-p.gone
		s.mu.Lock()
		killed, ending := sl.killed, s.ending
		sl.p = nil
		s.mu.Unlock()
		if state := p.cmd.ProcessState; !killed && (!ending || !state.Success()) {
			s.trouble("%s ended: %v\n%s", p, state, p.stderr)
			return
		}
	}
}

// hear takes note of what a process says, until it ends.
func (sl *slot) hear(p *process) {
	s := sl.s
	for line := range p.lines {
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			s.trouble("%s said %q: %v", p, line, err)
			continue
		}
		switch {
		case e.At > 0:
			select {
			case sl.halted <- e.At:
			default: // an old one, that nobody waits for any more
			}
		case e.Trouble != "":
			s.trouble("%s: %s", p, e.Trouble)
		default:
			s.note(sl, &e)
		}
	}
}

func (s *storm) note(sl *slot, e *event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case e.Call != nil:
		e.Call.Outcome = outcomeUnknown
		s.ops[e.Call.ID] = e.Call
		s.order = append(s.order, e.Call)
	case e.Return != nil:
		*s.ops[e.Return.ID] = *e.Return
		if e.Return.Outcome == outcomeOK {
			sl.completed++
		}
		if took := ran(e.Return.Call, e.Return.Return, sl.stopped); took > s.limit+slack {
			s.troubles = append(s.troubles, fmt.Sprintf("an operation took %v, want at most %v: %+v", took, s.limit, e.Return))
		}
	case e.Close != nil:
		s.closes = append(s.closes, closing{*e.Close, ran(e.Close.Began, e.Close.Ended, sl.stopped)})
	}
}

// slack is for the scheduler of a machine that has more to do.
const slack = 2 * time.Second

// ran returns how much of the time between two moments a process was not stopped.
func ran(from, to int64, stopped []span) time.Duration {
	d := to - from
	for _, s := range stopped {
		d -= max(0, min(to, s.to)-max(from, s.from))
	}
	return time.Duration(d)
}

func (s *storm) trouble(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.troubles = append(s.troubles, fmt.Sprintf(format, args...))
}

func (s *storm) isEnding() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ending
}

// rage does things to processes for a while. Most of them cost the others next to
// nothing; one in every two TTLs makes them wait for an expiry.
func (s *storm) rage(d time.Duration) {
	var acts sync.WaitGroup
	expiry := time.Now()
	for end := time.Now().Add(d); time.Now().Before(end); {
		s.mu.Lock()
		pause := between(s.rng, 20*time.Millisecond, 250*time.Millisecond)
		act := s.draw(time.Now().After(expiry))
		sl, p := s.pick(act.on)
		s.mu.Unlock()
		if p != nil {
			if act.cruel {
				expiry = time.Now().Add(2 * s.ttl)
			}
			acts.Go(func() {
				act.do(sl, p)
				s.mu.Lock()
				sl.busy = false
				s.mu.Unlock()
			})
		}
		time.Sleep(pause)
	}
	acts.Wait()
}

// An action is one thing to be done to a process.
type action struct {
	on    func(*slot) bool
	do    func(*slot, *process)
	cruel bool // others may have to wait until a lease expires
}

// draw chooses an action. The caller holds mu.
func (s *storm) draw(cruel bool) action {
	n := s.rng.IntN(100)
	long, short := between(s.rng, s.ttl/2, 5*s.ttl/2), between(s.rng, time.Millisecond, s.guard*3/4)
	kill := func(sl *slot, p *process) { sl.kill(p) }
	switch {
	case cruel && n < 72:
		where := []string{atRest, inRead, inWrite, inWrite, inWrite, inWrite}[n%6]
		return action{
			on:    func(sl *slot) bool { return sl.clients == alone && !sl.readOnly },
			do:    func(sl *slot, p *process) { sl.freeze(p, where, long, n < 12) },
			cruel: true,
		}
	case cruel && n < 84:
		return action{
			on:    func(sl *slot) bool { return sl.readOnly },
			do:    func(sl *slot, p *process) { sl.stop(p, "stopped for long while reading", long) },
			cruel: true,
		}
	case cruel:
		return action{on: func(sl *slot) bool { return !sl.provable }, do: kill, cruel: true}
	case n < 25:
		return action{on: func(sl *slot) bool { return sl.provable }, do: kill}
	}
	return action{
		on: func(*slot) bool { return true },
		do: func(sl *slot, p *process) { sl.stop(p, "stopped for a moment", short) },
	}
}

// pick chooses a process to which nothing is being done, and marks it. The caller
// holds mu.
func (s *storm) pick(fits func(*slot) bool) (*slot, *process) {
	for _, i := range s.rng.Perm(len(s.slots)) {
		if sl := s.slots[i]; sl.p != nil && !sl.busy && fits(sl) {
			sl.busy = true
			return sl, sl.p
		}
	}
	return nil, nil
}

func (sl *slot) count(what string) {
	sl.s.mu.Lock()
	defer sl.s.mu.Unlock()
	sl.s.counts[what]++
}

func (sl *slot) kill(p *process) {
	sl.count("killed")
	sl.s.mu.Lock()
	sl.killed = true
	sl.s.mu.Unlock()
	p.kill()
}

func (sl *slot) stop(p *process, what string, d time.Duration) {
	sl.count(what)
	from := monotonic()
	p.signal(syscall.SIGSTOP)
	time.Sleep(d)
	// Noted before the process can say anything about it.
	sl.s.mu.Lock()
	sl.stopped = append(sl.stopped, span{from, monotonic()})
	sl.s.mu.Unlock()
	p.signal(syscall.SIGCONT)
}

// freeze stops a process for long where it is in the middle of no write, and wakes
// it or kills it.
func (sl *slot) freeze(p *process, where string, d time.Duration, kill bool) {
	s := sl.s
	s.mu.Lock()
	sl.halts++
	number := sl.halts
	s.mu.Unlock()
	p.tell(order{Halt: where, Number: number})
	defer p.tell(order{Number: number})
	timeout := time.After(5 * s.ttl)
	for {
		select {
		case at := <-sl.halted:
			if at != number {
				continue // one that was given up
			}
		case <-p.gone:
			return
		case <-timeout:
			return // it does not get there
		}
		break
	}
	sl.stop(p, "frozen "+where, d)
	if kill {
		sl.kill(p)
	}
}

// end has all processes end in good order.
func (s *storm) end(slots *sync.WaitGroup) {
	s.mu.Lock()
	s.ending = true
	var ps []*process
	for _, sl := range s.slots {
		if sl.p != nil {
			ps = append(ps, sl.p)
		}
	}
	s.mu.Unlock()
	for _, p := range ps {
		p.tell(order{Stop: true, Number: 1 << 30})
		p.in.Close()
	}
	bound := time.After(s.limit + 3*slack)
	for _, p := range ps {
		select {
		case <-p.gone:
		case <-bound:
			s.trouble("%s hangs\n%s", p, p.dump())
		}
	}
	slots.Wait()
}
