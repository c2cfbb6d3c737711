//go:build linux

package chaos

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Positions from which a round draws one: how many operations a few transactions
// have, and how many a takeover, until one was counted.
const (
	victimSpan   = 90
	takeoverSpan = 60
)

// pair returns two processes that do nothing, in turns.
func (b *bank) pair() (victim, heir *fencer, err error) {
	for i := range b.steady {
		if b.steady[i] == nil || b.steady[i].isGone() {
			if b.steady[i], err = b.spawn(false); err != nil {
				return nil, nil, err
			}
		}
	}
	i := b.rng.IntN(2)
	return b.steady[i], b.steady[1-i], nil
}

// other returns the number of the other one of a pair.
func (b *bank) other(f *fencer) int {
	if b.steady[0] == f {
		return 1
	}
	return 0
}

// clear leaves the database to whoever comes next, with nothing to wait for: for one
// whose clock stands still that would be for ever.
func (b *bank) clear(left, looks *fencer) error {
	for _, order := range []struct {
		f *fencer
		fenceOrder
	}{
		{left, fenceOrder{Do: "rest"}},
		{looks, b.openingFor(calm, "open", b.plainLock(), false)},
		{looks, fenceOrder{Do: "audit"}},
		{looks, fenceOrder{Do: "rest"}},
	} {
		if err := order.f.do(order.fenceOrder); err != nil {
			return err
		}
	}
	return nil
}

// begin has a process work, until it has committed something.
func (b *bank) begin(f *fencer, lock string, wired bool) error {
	return b.beginBy(f, b.opening("open", lock, wired))
}

func (b *bank) beginBy(f *fencer, o fenceOrder) error {
	if err := f.do(o); err != nil {
		return err
	}
	if err := f.send(fenceOrder{Do: "work"}); err != nil {
		return err
	}
	_, err := f.await(fencePatience, committed)
	return f.explain("its first transaction", err)
}

// finish has processes stop, and looks at the bank.
func (b *bank) finish(fs ...*fencer) error {
	for _, f := range fs {
		if err := f.send(fenceOrder{Do: "rest"}); err != nil {
			return f.explain("rest", err)
		}
	}
	for _, f := range fs {
		if _, err := f.await(fencePatience, func(e fenceEvent) bool { return e.Done == "rest" }); err != nil {
			return f.explain("rest", err)
		}
	}
	return b.settle(fs[b.rng.IntN(len(fs))])
}

// stopped: a holder is stopped at a random moment, and wakes up at another.
func stopped(b *bank) error {
	victim, heir, err := b.pair()
	if err != nil {
		return err
	}
	// Where what is sent takes a moment to arrive it is likely to be on its way.
	o := b.opening("open", b.plainLock(), b.rng.IntN(2) == 0)
	o.Slow = o.Wired
	if err := b.beginBy(victim, o); err != nil {
		return err
	}
	time.Sleep(between(b.rng, 0, 20*time.Millisecond))
	victim.stop()
	defer victim.cont()
	if err := heir.do(b.opening("open", b.plainLock(), false)); err != nil {
		return err
	}
	if err := heir.send(fenceOrder{Do: "work"}); err != nil {
		return err
	}
	if b.rng.IntN(2) == 0 {
		_, err = heir.await(fencePatience, committed)
	} else {
		time.Sleep(between(b.rng, b.leaseTTL(), b.leaseTTL()+60*time.Millisecond))
	}
	if err != nil {
		return heir.explain("the heir's first transaction", err)
	}
	victim.cont()
	time.Sleep(between(b.rng, 0, 30*time.Millisecond))
	return b.finish(victim, heir)
}

// stoppedAt: a holder stops at one of its operations, and wakes up at one of the takeover.
func stoppedAt(b *bank) error {
	victim, heir, err := b.pair()
	if err != nil {
		return err
	}
	if err := b.begin(victim, lockWired, true); err != nil {
		return err
	}
	if err := b.spring(victim, trap{At: 1 + b.rng.IntN(victimSpan), Act: actStop}); err != nil {
		return err
	}
	defer victim.cont()
	err = b.inherit(heir, func() {
		victim.cont()
		victim.await(50*time.Millisecond, ended)
	})
	if err != nil {
		return err
	}
	return b.finish(victim, heir)
}

// frozen returns the round of a holder whose clock stands still, by a lock of that
// kind: it goes on as if nothing had happened, while another one takes over.
func frozen(lock string) func(*bank) error {
	return func(b *bank) error {
		t := trap{At: 1 + b.rng.IntN(victimSpan), Act: actStop}
		if b.rng.IntN(2) == 0 {
			t = trap{}
		}
		return b.freeze(lock, t, trap{At: 1 + b.rng.IntN(max(b.span, takeoverSpan)), Act: actPause, From: fromTakeover, Looks: true})
	}
}

// freeze has a holder go on whose clock stands still. At its trap, if it has one,
// it halts until the takeover has come to the other one.
func (b *bank) freeze(lock string, t, takeover trap) error {
	victim, heir, err := b.pair()
	if err != nil {
		return err
	}
	if err := b.beginFrozen(victim, heir, lock); err != nil {
		return err
	}
	if t.Act != "" && !victim.isGone() {
		if err := b.spring(victim, t); err != nil {
			return err
		}
		defer victim.cont()
	}
	if err := b.inheritAt(takeover, heir, func() { b.wake(victim) }); err != nil {
		return err
	}
	if victim.isGone() {
		return b.finish(heir)
	}
	return b.finish(victim, heir)
}

// beginFrozen has a process work whose clock stands still. On a busy machine
// something may keep it from the register at first, and it would never try again:
// then it is killed, and there is a round with one that just died.
func (b *bank) beginFrozen(victim, other *fencer, lock string) error {
	if err := b.clear(victim, other); err != nil {
		return err
	}
	if err := victim.do(b.opening("open", lock, true)); err != nil {
		return err
	}
	if err := victim.send(fenceOrder{Do: "work"}); err != nil {
		return err
	}
	_, err := victim.await(5*time.Second, committed)
	if errors.Is(err, errLate) {
		b.count("frozen holder never came in")
		victim.kill()
		return nil
	}
	return victim.explain("its first transaction", err)
}

// wake lets a process whose clock stands still go on, for as long as that may take
// effect before somebody else does something.
func (b *bank) wake(f *fencer) {
	f.cont()
	f.await(100*time.Millisecond, func(e fenceEvent) bool { return ended(e) && !committed(e) })
}

// unpermitted: a holder whose clock stands still finishes a journal that it began
// when it had lost its lease, while another one copies.
func unpermitted(b *bank) error {
	const reads = 14 // of a database of that size, by so many bytes at once
	return b.freeze(lockUnpermitted, trap{At: 1, Act: actStop, From: fromJournal},
		trap{At: 1 + b.rng.IntN(reads), Act: actPause, From: fromCopy, Looks: true})
}

// inFlight: a holder is killed, and what it had sent takes effect later.
func inFlight(b *bank) error {
	flights, err := b.lose(trap{At: 1 + b.rng.IntN(victimSpan), Act: actCut})
	if err != nil {
		return err
	}
	defer flights.close()
	_, heir, err := b.pair()
	if err != nil {
		return err
	}
	flights.land(b)
	if err := b.inherit(heir, func() { flights.land(b) }); err != nil {
		return err
	}
	flights.land(b)
	return b.finish(heir)
}

// describe says what a trap did.
func describe(e fenceEvent) string {
	if e.Sprung == nil {
		return "its trap was not sprung"
	}
	text := fmt.Sprintf("%s at %v", e.Sprung.Act, e.Sprung.At)
	for _, f := range e.Sprung.InFlight {
		text += fmt.Sprintf("\n\tin flight: %v", f)
	}
	return text
}

// start opens the database on the wire and works.
func (f *fencer) start(b *bank) error {
	if err := f.do(b.opening("open", lockWired, true)); err != nil {
		return err
	}
	return f.send(fenceOrder{Do: "work"})
}

// spring sets a trap for a process that works, and waits until it is sprung.
func (b *bank) spring(f *fencer, t trap) error {
	if err := f.send(fenceOrder{Do: "trap", Trap: t}); err != nil {
		return err
	}
	e, err := f.await(fencePatience, sprung)
	if err == nil {
		b.count(t.Act + " " + e.Sprung.At.Kind)
		b.tell("%s: %s", f, describe(e))
	}
	return f.explain("its trap", err)
}

// inherit has a process take over. At one operation of that, or after it, something
// else happens.
func (b *bank) inherit(heir *fencer, meanwhile func()) error {
	t := trap{At: 1 + b.rng.IntN(max(b.span, takeoverSpan)), Act: actPause, From: fromTakeover, Looks: true}
	return b.inheritAt(t, heir, meanwhile)
}

func (b *bank) inheritAt(t trap, heir *fencer, meanwhile func()) error {
	if err := heir.send(fenceOrder{Do: "trap", Trap: t}); err != nil {
		return err
	}
	if err := heir.start(b); err != nil {
		return err
	}
	e, err := heir.await(fencePatience, func(e fenceEvent) bool { return sprung(e) || committed(e) })
	if err != nil {
		return heir.explain("the takeover", err)
	}
	b.tell("%s takes over: %s", heir, describe(e))
	if committed(e) {
		b.span = e.Span
		b.count("after the takeover")
	} else {
		b.count("in the takeover")
	}
	meanwhile()
	if sprung(e) {
		if err := heir.send(fenceOrder{Do: "pass"}); err != nil {
			return err
		}
		_, err = heir.await(fencePatience, committed)
	}
	return heir.explain("the end of the takeover", err)
}

// explain adds what a process has logged to an error. If SQLite found the database
// torn, that is the cause.
func (f *fencer) explain(what string, err error) error {
	if err == nil {
		return nil
	}
	log := f.stderr.String()
	if errors.Is(err, errLate) {
		log = f.dump()
	}
	b := f.bank
	b.mu.Lock()
	defer b.mu.Unlock()
	for failure := range b.failures {
		if strings.Contains(failure, "malformed") || strings.Contains(failure, "not a database") {
			return errDamage{[]string{failure}}
		}
	}
	return fmt.Errorf("%s: %s: %w\n%v\n%s", f, what, err, b.failures, log)
}
