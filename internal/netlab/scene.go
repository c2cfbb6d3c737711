//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/holdfastdb/holdfast/internal/netlab/machine"
)

// A scene is what a few databases go through at the same time, each on its mount. It is
// played act by act: what happens to a machine happens to all of them at once.
type scene struct {
	lab   *lab
	pairs []*pair
	cut   [2]bool // by client: its link is
	froze [2]bool // by client: the machine is
}

// An act is one part of a scene. What goes wrong for one pair is that pair's; the error
// is that of the lab itself.
type act func(context.Context, *scene) error

// A pair is one database of a scene, with one program on each client.
type pair struct {
	*subject
	seed   uint64
	bare   [2][]string // by client: guards that its programs do without
	actors [2]*actor   // by client
	failed error       // why it did not come to the end
	waited time.Duration
	steps  int            // of a takeover, that were tried
	held   bool           // the other one, at such a step
	begun  sync.WaitGroup // operations that nobody waits for yet
}

// each has every pair do something at once, those that have failed excepted.
func each(do func(context.Context, *pair) error) act {
	return func(ctx context.Context, sc *scene) error {
		var pairs sync.WaitGroup
		for _, p := range sc.pairs {
			if p.failed == nil {
				pairs.Go(func() { p.failed = do(ctx, p) })
			}
		}
		pairs.Wait()
		return context.Cause(ctx)
	}
}

// all is acts, one after the other.
func all(acts ...act) act {
	return func(ctx context.Context, sc *scene) error {
		for _, a := range acts {
			if err := a(ctx, sc); err != nil {
				return err
			}
		}
		return nil
	}
}

// run plays a scene from its beginning, and has everybody look at what became of it.
// It returns what is wrong for each pair.
func (sc *scene) run(ctx context.Context, scene act) (wrong [][]string, err error) {
	defer func() {
		for _, p := range sc.pairs {
			p.kill()
			p.begun.Wait()
		}
	}()
	for _, p := range sc.pairs {
		if err := p.begin(ctx, p.seed); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(scene(ctx, sc), sc.mend(ctx)); err != nil {
		return nil, err
	}
	wrong = make([][]string, len(sc.pairs))
	errs := make([]error, len(sc.pairs))
	var ends sync.WaitGroup
	for i, p := range sc.pairs {
		ends.Go(func() { wrong[i], errs[i] = p.outcome(ctx) })
	}
	ends.Wait()
	return wrong, errors.Join(errs...)
}

// outcome returns what is wrong with a pair at the end of its scene.
func (p *pair) outcome(ctx context.Context) ([]string, error) {
	for _, proc := range p.procs {
		if proc != nil {
			p.lab.sayf("%v: %v says: %s", p.subject, proc, strings.TrimSpace(proc.proc.Stderr()))
		}
	}
	wrong, err := p.end(ctx)
	if p.failed != nil {
		wrong = append(wrong, p.failed.Error())
	}
	return wrong, err
}

// mend undoes what a scene that broke off has left.
func (sc *scene) mend(ctx context.Context) error {
	var errs []error
	for client := range sc.cut {
		if sc.froze[client] {
			errs = append(errs, sc.wake(ctx, client))
		}
		if sc.cut[client] {
			errs = append(errs, restore(client)(ctx, sc))
		}
	}
	return errors.Join(errs...)
}

func (sc *scene) machine(client int) *machine.Machine { return sc.lab.cluster.Clients[client] }

// cutOff cuts the link of a client, and restore ends that.
func cutOff(client int) act {
	return func(ctx context.Context, sc *scene) error {
		sc.cut[client] = true
		return sc.machine(client).Cut(ctx)
	}
}

func restore(client int) act {
	return func(ctx context.Context, sc *scene) error {
		sc.cut[client] = false
		return sc.machine(client).Restore(ctx)
	}
}

// freeze stops a client's machine and its clocks.
func freeze(client int) act {
	return func(ctx context.Context, sc *scene) error {
		sc.froze[client] = true
		return sc.machine(client).Pause(ctx)
	}
}

func (sc *scene) wake(ctx context.Context, client int) error {
	sc.froze[client] = false
	return sc.machine(client).Resume(ctx)
}

// wakes has a frozen machine go on, where its programs are told at once to do something.
func wakes(client int, do func(context.Context, *pair) error) act {
	return func(ctx context.Context, sc *scene) error {
		told := make(chan error, 1)
		go func() { told <- each(do)(ctx, sc) }()
		err := sc.wake(ctx, client)
		return errors.Join(err, <-told)
	}
}

// flushed has a client's kernel write whatever it still keeps from the server.
func flushed(client int) act {
	return func(ctx context.Context, sc *scene) error {
		_, err := shell(ctx, sc.machine(client), "sync")
		return err
	}
}

// patience is how long somebody may wait for its turn: see [fault.bound].
func (l *lab) patience() time.Duration { return fault{}.bound(l.ttl) }

// enter starts a program on a client, in place of the one that was killed there.
func (p *pair) enter(ctx context.Context, client int) error {
	if p.procs[client] == nil {
		proc, err := p.lab.start(ctx, client, p.who)
		if err != nil {
			return err
		}
		p.procs[client] = proc
	}
	p.actors[client] = newActor(p, client)
	return p.actors[client].open(ctx)
}

// commits has the program on a client commit, and starts one if none runs.
func commits(client, n int) func(context.Context, *pair) error {
	return func(ctx context.Context, p *pair) error {
		if p.procs[client] == nil || p.actors[client] == nil {
			if err := p.enter(ctx, client); err != nil {
				return err
			}
		}
		return p.actors[client].commits(ctx, n)
	}
}

// errUnmet is that of a scene in which what it is about did not happen.
var errUnmet = errors.New("the scene did not come about")

func unmet(what string, args ...any) error {
	return fmt.Errorf("%w: %s", errUnmet, fmt.Sprintf(what, args...))
}
