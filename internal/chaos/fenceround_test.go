//go:build linux

package chaos

import (
	"errors"
	"fmt"
	"time"
)

// A round takes the lease away from one holder and gives it to another. Then the
// bank is looked at.

// Positions from which a round draws one: how many operations a few transactions
// have, and how many a takeover, until one was counted.
const (
	victimSpan   = 90
	takeoverSpan = 60
)

// victim and heir return two processes that do nothing, in turns.
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
	o := b.opening("open", "leasefile", b.rng.IntN(2) == 0)
	o.Slow = o.Wired
	if err := b.beginBy(victim, o); err != nil {
		return err
	}
	time.Sleep(between(b.rng, 0, 20*time.Millisecond))
	victim.stop()
	defer victim.cont()
	if err := heir.do(b.opening("open", "leasefile", false)); err != nil {
		return err
	}
	if err := heir.send(fenceOrder{Do: "work"}); err != nil {
		return err
	}
	if b.rng.IntN(2) == 0 {
		_, err = heir.await(fencePatience, committed)
	} else {
		time.Sleep(between(b.rng, fenceTTL, fenceTTL+60*time.Millisecond))
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
		victim, heir, err := b.pair()
		if err != nil {
			return err
		}
		if err := b.begin(victim, lock, true); err != nil {
			return err
		}
		stops := b.rng.IntN(2) == 0
		if stops {
			if err := b.spring(victim, trap{At: 1 + b.rng.IntN(victimSpan), Act: actStop}); err != nil {
				return err
			}
			defer victim.cont()
		}
		if err := b.inherit(heir, func() {
			victim.cont()
			victim.await(100*time.Millisecond, func(e fenceEvent) bool { return ended(e) && !committed(e) })
		}); err != nil {
			return err
		}
		return b.finish(victim, heir)
	}
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

// copierKilled: a holder is killed, and whoever takes over from it as well, at each
// operation in turn.
func copierKilled(b *bank) error {
	act := []string{actKill, actCut}[b.rng.IntN(2)]
	flights, err := b.lose(trap{At: 1 + b.rng.IntN(victimSpan), Act: act})
	if err != nil {
		return err
	}
	defer flights.close()
	copier, err := b.spawn(b.rng.IntN(2) == 0)
	if err != nil {
		return err
	}
	defer copier.end()
	act = []string{actKill, actCut}[b.rng.IntN(2)]
	if err := copier.send(fenceOrder{Do: "trap", Trap: trap{At: b.sweep(), Act: act, From: fromTakeover}}); err != nil {
		return err
	}
	if err := copier.start(b); err != nil {
		return err
	}
	e, err := copier.await(fencePatience, func(e fenceEvent) bool { return sprung(e) || committed(e) })
	switch {
	case err != nil:
		return copier.explain("the takeover", err)
	case committed(e):
		b.count("swept")
		b.swept()
	default:
		b.count("killed " + e.Sprung.At.Kind)
		flights = append(flights, take(e.Sprung.InFlight)...)
	}
	copier.kill()
	flights.land(b)
	_, heir, err := b.pair()
	if err != nil {
		return err
	}
	if err := b.inherit(heir, func() { flights.land(b) }); err != nil {
		return err
	}
	flights.land(b)
	return b.finish(heir)
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
	}
	return f.explain("its trap", err)
}

// lose starts a process and kills it at one of its operations.
func (b *bank) lose(t trap) (flights, error) {
	victim, err := b.spawn(b.rng.IntN(2) == 0)
	if err != nil {
		return nil, err
	}
	defer victim.end()
	if err := b.begin(victim, lockWired, true); err != nil {
		return nil, err
	}
	if err := victim.send(fenceOrder{Do: "trap", Trap: t}); err != nil {
		return nil, err
	}
	e, err := victim.await(fencePatience, sprung)
	if err != nil {
		return nil, victim.explain("its trap", err)
	}
	b.count(t.Act + " " + e.Sprung.At.Kind)
	return take(e.Sprung.InFlight), nil
}

// inherit has a process take over. At one operation of that, or after it, something
// else happens.
func (b *bank) inherit(heir *fencer, meanwhile func()) error {
	t := trap{At: 1 + b.rng.IntN(max(b.span, takeoverSpan)), Act: actPause, From: fromTakeover, Looks: true}
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

// flights are operations that take effect late, in any order, and some of them twice.
type flights []landing

// land lets some of them take effect.
func (l flights) land(b *bank) {
	for range l {
		if b.rng.IntN(2) == 0 && l[b.rng.IntN(len(l))].land() {
			b.count("landed")
		}
	}
}

func (l flights) close() {
	for _, f := range l {
		f.close()
	}
}

// explain adds what a process has logged to an error.
func (f *fencer) explain(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errLate):
		f.bank.mu.Lock()
		defer f.bank.mu.Unlock()
		return fmt.Errorf("%s: %s: %w\n%v\n%s", f, what, err, f.bank.failures, f.dump())
	}
	return fmt.Errorf("%s: %s: %w\n%s", f, what, err, f.stderr)
}
