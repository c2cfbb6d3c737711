//go:build linux

package chaos

// copierKilled: a holder is killed, or its clock stands still, and whoever takes
// over from it is killed as well, at each operation in turn.
func copierKilled(b *bank) error {
	_, heir, err := b.pair()
	if err != nil {
		return err
	}
	var flights flights
	meanwhile := func() { flights.land(b) }
	if b.rng.IntN(3) > 0 {
		act := []string{actKill, actCut}[b.rng.IntN(2)]
		flights, err = b.lose(trap{At: 1 + b.rng.IntN(victimSpan), Act: act})
	} else {
		victim := b.steady[b.other(heir)]
		err = b.beginFrozen(victim, heir, lockFrozen)
		meanwhile = func() {
			flights.land(b)
			b.wake(victim)
		}
		defer victim.do(fenceOrder{Do: "rest"})
	}
	if err != nil {
		return err
	}
	late, err := b.loseCopier()
	flights = append(flights, late...)
	defer flights.close()
	if err != nil {
		return err
	}
	flights.land(b)
	if err := b.inherit(heir, meanwhile); err != nil {
		return err
	}
	flights.land(b)
	return b.finish(heir)
}

// loseCopier has a process take over and kills it on the way.
func (b *bank) loseCopier() (flights, error) {
	copier, err := b.spawn(b.rng.IntN(2) == 0)
	if err != nil {
		return nil, err
	}
	defer copier.end()
	act := []string{actKill, actCut}[b.rng.IntN(2)]
	if err := copier.send(fenceOrder{Do: "trap", Trap: trap{At: b.sweep(), Act: act, From: fromTakeover}}); err != nil {
		return nil, err
	}
	if err := copier.start(b); err != nil {
		return nil, err
	}
	e, err := copier.await(fencePatience, func(e fenceEvent) bool { return sprung(e) || committed(e) })
	switch {
	case err != nil:
		return nil, copier.explain("the takeover", err)
	case committed(e):
		b.count("swept")
		b.swept()
		return nil, nil
	}
	b.count("copier: " + act + " " + e.Sprung.At.Kind)
	b.tell("%s takes over: %s", copier, describe(e))
	return take(e.Sprung.InFlight), nil
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
	b.tell("%s: %s", victim, describe(e))
	return take(e.Sprung.InFlight), nil
}

// flights are operations that take effect late, in any order, and some of them twice.
type flights []landing

// land lets some of them take effect.
func (l flights) land(b *bank) {
	for range l {
		if i := b.rng.IntN(len(l)); b.rng.IntN(2) == 0 && l[i].land() {
			b.tell("landed: %v", l[i].flight)
			b.count("landed")
		}
	}
}

func (l flights) close() {
	for _, f := range l {
		f.close()
	}
}
