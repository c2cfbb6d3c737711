package locking

import (
	"maps"
	"slices"
	"time"
)

// A plan is what the keeper is about to write, if anything.
type plan struct {
	swap   bool
	next   Record
	answer Answer
	held   *HeldError // who is in the way of what the places want
	futile bool       // see outcome
	failed error      // why the database could not be copied
}

func (p *plan) outcome(in *intent) outcome {
	return outcome{attempt: in.attempt, held: p.held, futile: p.futile, failed: p.failed}
}

// plan decides what to ask of the record.
func (k *keeper) plan(in *intent) plan {
	target := k.target(in)
	p := k.ask(in, target)
	if k.wouldCopy(&p) && !k.shut(in) {
		// A transaction here reads the file that would be left behind.
		in.settling = nil
		p = k.ask(in, in.level)
		p.futile = true
	}
	if p.held == nil && in.first != nil && in.want != None && in.want <= target {
		p.held = heldBy(in.first, in.want, p.next.Epoch) // the process has it, and lets nobody in
	}
	if p.next.Takeover != nil {
		p.awaitsCopy(target)
	}
	if p.held != nil {
		p.held.Silent, p.held.TTL = k.observer.silence(p.held.Holder.ID)
	}
	p.failed = k.copying.failure()
	p.swap = k.worthIt(in, &p)
	in.again = in.want > target && !k.yields()
	return p
}

// ask works out what becomes of asking for a level.
func (k *keeper) ask(in *intent, target Level) plan {
	self := k.session.self
	next, answer := k.known.record.Step(Request{
		Holder:  self,
		Level:   target,
		TTL:     k.c.opts.TTL,
		Expired: slices.Collect(maps.Keys(k.expired)),
		Now:     time.Now().UTC(),
		Fence:   k.fencing(in),
	})
	p := plan{next: next, answer: answer}
	if !answer.Granted() {
		b := answer.Blocker
		p.held = heldBy(b, target, next.Epoch)
		first := b.Level > None && b.Wants == Exclusive && next.index(b.Holder.ID) < next.index(self.ID)
		p.futile = !answer.Level.Writing() && (first || next.writes(self.ID))
	}
	return p
}

// awaitsCopy says that the database must be copied first, to whoever is told no.
func (p *plan) awaitsCopy(wanted Level) {
	t := *p.next.Takeover
	if p.held == nil {
		p.held = &HeldError{Holder: t.From, Level: Exclusive, Wanted: wanted, Epoch: p.next.Epoch}
	}
	p.held.Takeover = &t
}

// worthIt reports whether the plan changes anything that matters to somebody.
func (k *keeper) worthIt(in *intent, p *plan) bool {
	id := k.session.self.ID
	was, is := k.known.record.Find(id), p.next.Find(id)
	switch {
	case k.pending != nil, len(p.answer.Evicted) > 0, k.fenceMoves(p):
		return true // settle the doubt; let nobody wait for the dead
	case is != nil && k.landed.elapsed() >= k.c.opts.Renew:
		return true
	case !p.answer.Granted() && !in.queue && p.answer.Level == in.level:
		return false // an attempt that must not queue leaves no trace
	case was == nil || is == nil:
		return was != is
	}
	return was.Level != is.Level || was.Wants != is.Wants
}

// target returns the level to ask for. Before a step down it lowers what places
// may be given, so that nothing is handed out that is about to go.
func (k *keeper) target(in *intent) Level {
	c, s := k.c, k.session
	c.mu.Lock()
	defer c.mu.Unlock()
	held := c.held()
	in.level = s.level
	keep, asker := k.living().Keep(s.self.ID)
	useless := held == None && in.want > s.level // what is kept is not what is waited for
	resting := held == None && in.want == None && c.used.elapsed() >= c.pause()
	asked := keep < s.level && (useless || resting || k.granted.elapsed() >= c.leastTurn())
	s.door, in.first = s.level, nil
	if !asked {
		k.asked = now()
	} else {
		in.first = asker
		if s.door = keep; !held.Writing() {
			s.door = None // nobody comes in here any more before the one who asked
		}
		if held > keep {
			c.tellAsked()
		}
	}
	target := s.level
	switch {
	case k.busy():
		return s.level
	case c.closing, k.copying.failure() != nil && held == None:
		target = None
	case asked && held < s.level && (!held.Writing() || held <= keep && k.asked.monotonic() >= c.leastTurn()):
		// A transaction that writes is not interrupted to let readers in beside it, unless
		// it takes long: it would have to wait for them before its end.
		target = held
		k.yielded = yielded{*asker, now()}
	case in.want > s.level && k.yields():
	case in.want > s.level:
		return in.want
	case held == None && in.want == None && k.unused():
		target = None
	case s.level == Reserved || s.level == Pending:
		// Only a transaction needs these: kept, they would keep writers out for nothing.
		if in.want < Reserved {
			target = min(s.level, max(held, Shared))
		}
	}
	if k.pending != nil {
		target = min(target, s.limit) // a step down may be on its way
	}
	s.limit = target
	return target
}

// unused reports whether nothing was locked here for long enough to leave. The
// caller holds Coordinator.mu.
func (k *keeper) unused() bool {
	idle := k.c.opts.Idle
	return idle < 0 || k.c.used.elapsed() >= idle && k.granted.elapsed() >= idle
}

// rest returns how long nothing needs to be done unless somebody kicks.
func (k *keeper) rest(in *intent) time.Duration {
	c := k.c
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.session
	if s != k.session || c.closing && !k.busy() || in.again {
		return 0
	}
	want := c.want()
	if want <= s.level && s.level == None {
		if s.in {
			return 0 // nobody waits any more: take back the place in the queue
		}
		return never
	}
	rest := c.opts.Poll
	keep, _ := k.living().Keep(s.self.ID)
	switch {
	case want > s.level:
		rest /= 4
	case keep < s.level:
		rest = min(rest, c.leastTurn()-k.granted.elapsed())
		if rest <= 0 {
			rest = c.opts.Poll // asked, and a lock is in the way: its Unlock kicks
		} else {
			rest = min(rest, c.pause())
		}
	case c.watching.works():
		rest = c.opts.Renew / 2
	}
	if s.level != None {
		rest = min(rest, s.left())
		if c.held() == None && c.opts.Idle > 0 {
			rest = min(rest, c.opts.Idle-min(c.used.elapsed(), k.granted.elapsed()))
		}
	}
	return max(time.Millisecond, rest)
}

// heldBy makes the error that names who is in the way.
func heldBy(e *Entry, wanted Level, epoch Epoch) *HeldError {
	held := &HeldError{
		Holder: e.Holder,
		Level:  e.Level,
		Wanted: wanted,
		Age:    max(0, time.Since(e.Since)),
		Epoch:  epoch,
	}
	if !conflict(wanted, e.Level) {
		held.Level, held.Waits = e.Wants, true
	}
	return held
}
