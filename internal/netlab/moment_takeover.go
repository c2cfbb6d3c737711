//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/holdfastdb/holdfast/internal/netlab/workload"
)

// How far it is from one step of a takeover that is tried to the next: every step, where
// each pair goes on by itself, and fewer where they wait for each other.
const (
	stride      = 3
	shortStride = 6 // if it is to be short
)

// next is the step after one, where pairs wait for each other. The later they are, the more
// they are alike: page by page of a journal.
func next(step int) int { return step + max(stride, step/8) }

// mostSteps is more than any takeover makes here.
const mostSteps = 200

func errEndless() error { return unmet("a takeover has more than %d steps", mostSteps) }

// copierKilled kills the victim in mid-transaction, and then the one that takes over, at
// each step of that. Another program takes over from that one on the victim's machine.
var copierKilled = all(ready, each(func(ctx context.Context, p *pair) error {
	by := 1
	if p.lab.short {
		by = shortStride
	}
	for step := 1; step < mostSteps; step += by {
		if err := p.copierDies(ctx, step); err != nil {
			return fmt.Errorf("step %d: %w", step, err)
		}
		if !p.held {
			return p.stepped()
		}
	}
	return errEndless()
}))

// stepped fails if no step was tried.
func (p *pair) stepped() error {
	if p.steps == 0 {
		return unmet("nobody was held at a step of a takeover")
	}
	return nil
}

// copierDies is one try of copierKilled.
func (p *pair) copierDies(ctx context.Context, step int) error {
	if err := p.dies(ctx); err != nil {
		return err
	}
	// Steps that only look are left out: who dies before one might as well die after it.
	if err := p.takesOver(ctx, step); err != nil {
		return err
	}
	copier := p.actors[other]
	if p.held {
		p.steps++
		if err := copier.kill(); err != nil {
			return err
		}
	}
	if err := copier.ended(ctx); err != nil {
		return err
	}
	if err := commits(victim, 2)(ctx, p); err != nil {
		return err
	}
	if err := p.actors[victim].read(ctx); err != nil {
		return err
	}
	if wrong := p.history.Check(); len(wrong) > 0 {
		return errors.New(wrong[0])
	}
	return commits(other, 1)(ctx, p)
}

// dies kills the victim in mid-transaction, with its journal hot.
func (p *pair) dies(ctx context.Context) error {
	if err := commits(victim, 1)(ctx, p); err != nil {
		return err
	}
	a := p.actors[victim]
	if err := a.hold(ctx, midway, a.beginAppend); err != nil {
		return err
	}
	if err := a.kill(); err != nil {
		return err
	}
	return a.ended(ctx)
}

// takesOver has the other one take over, until it is held before a step of that, or done.
// Steps are of those kinds of operations; none: those that change something.
func (p *pair) takesOver(ctx context.Context, step int, kinds ...string) (err error) {
	b := p.actors[other]
	t := workload.Trap{Ops: kinds, Since: workload.SinceTakeover, N: step}
	if err := b.trap(ctx, t); err != nil {
		return err
	}
	b.beginRead(ctx)
	p.held, err = b.trapped(ctx)
	if err != nil || p.held {
		return err
	}
	if b.came.Outcome != workload.OK {
		return fmt.Errorf("%v: %s", &b.came, b.came.Err)
	}
	return b.letGo(ctx)
}

// copierFrozen freezes the one that takes over, at some steps, until a third program has
// the database. Then it goes on with what it was in.
var copierFrozen = all(ready, atSomeSteps(func(step int) act {
	return all(
		each(func(ctx context.Context, p *pair) error {
			if err := p.dies(ctx); err != nil {
				return err
			}
			return p.takesOver(ctx, step, workload.OpAny)
		}),
		freeze(other),
		each(commits(victim, 2)),
		wakes(other, goesOn(other)),
		each(ended(other)), each(commits(other, 1)), each(reads(victim)),
	)
}))

// firstWakes freezes the victim in mid-transaction, and has it wake while the other one
// is at a step of its takeover.
var firstWakes = all(ready, atSomeSteps(func(step int) act {
	return all(
		each(commits(victim, 1)),
		held(beforeFinish),
		freeze(victim),
		each(func(ctx context.Context, p *pair) error { return p.takesOver(ctx, step, workload.OpAny) }),
		wakes(victim, letGo(victim)),
		each(ended(victim)),
		each(goesOn(other)),
		each(ended(other)), each(commits(other, 1)), each(commits(victim, 1)), each(reads(other)),
	)
}))

// goesOn has a program go on that may be held.
func goesOn(client int) func(context.Context, *pair) error {
	return func(ctx context.Context, p *pair) error {
		if !p.held {
			return nil
		}
		return p.actors[client].letGo(ctx)
	}
}

// atSomeSteps plays acts for one step after the other, until no pair has such a step.
func atSomeSteps(acts func(step int) act) act {
	return func(ctx context.Context, sc *scene) error {
		for step := 1; step < mostSteps; step = next(step) {
			if err := acts(step)(ctx, sc); err != nil {
				return err
			}
			going := false
			for _, p := range sc.pairs {
				if p.failed == nil && p.held {
					going = true
					p.steps++
				}
			}
			if !going {
				return each(func(_ context.Context, p *pair) error { return p.stepped() })(ctx, sc)
			}
		}
		return errEndless()
	}
}
