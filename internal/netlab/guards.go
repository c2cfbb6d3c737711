//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/holdfastdb/holdfast/internal/netlab/workload"
)

// A guard is a part of Holdfast whose removal must do damage that there is not with it,
// all else being equal.
type guard struct {
	name  string
	about string
	by    []int    // clients whose programs do without; nil: everybody
	nfs   bool     // it is against what an NFS client remembers
	blind bool     // the victim does not find out by itself that it was frozen, whatever it looks at
	modes []string // of the journal, in which it matters; nil: all
	mb    int      // size of the database
	act   act
}

// rollback are the modes with a rollback journal.
var rollback = []string{"delete", "truncate", "persist"}

var guards = []guard{
	{
		name: workload.GuardFence, act: all(apart, held(beforePage(3)), cutOff(victim), each(letGo(victim)),
			each(opens(other)), each(commits(other, 4)), restore(victim), each(ended(victim)), flushed(victim)),
		about: "cut between the check and the write of a page; the other goes on; the page lands",
	},
	{
		name: workload.GuardVerify, by: []int{victim}, blind: true, act: staleCommit,
		about: "frozen before the end of its transaction; the other goes on; it wakes and commits",
	},
	{
		name: workload.GuardTrace, by: []int{victim}, blind: true, modes: rollback, mb: copyMB, act: midCopy,
		about: "frozen; it wakes while the other copies the database, and does a whole transaction",
	},
	{
		name: workload.GuardReopen, by: []int{other}, nfs: true, act: all(
			each(commits(other, 1)), each(commits(victim, 4)), each(reads(other)), each(commits(other, 1)), each(reads(victim))),
		about: "no fault: the other has the database open, and reads after the victim has committed",
	},
	{
		name: workload.GuardFresh, by: []int{victim}, nfs: true, blind: true, act: staleCommit,
		about: "as for verify: it looks at the register, in what its kernel remembers",
	},
}

// apart has both programs have worked. The other one has closed the database since, and
// the victim has the lease.
var apart = all(each(commits(other, 1)), each(closes(other)), each(commits(victim, 2)))

// staleCommit has the victim believe in a lease that another one has, in the midst of a
// commit: its machine was frozen, and its clocks with it. It wakes before the files are
// removed that it has open, since NFS would tell it of that.
var staleCommit = all(apart, held(beforeFinish), freeze(victim), each(opensUntidy(other)), each(commits(other, 4)),
	wakes(victim, letGo(victim)), each(ended(victim)), each(letGo(other)), each(commits(other, 1)), each(reads(other)))

// midCopy has the victim begin and end a transaction while the other one, which took
// over meanwhile, has copied a part of the database.
var midCopy = all(apart, freeze(victim), each(copies(other)),
	wakes(victim, func(ctx context.Context, p *pair) error {
		p.actors[victim].beginAppend(ctx)
		return p.actors[victim].ended(ctx)
	}),
	each(letGo(other)), each(ended(other)), each(reads(other))) // whatever is written now might mend the rest of it

// copyMB is the size of the database that midCopy copies: a few reads of 1 MiB each.
const copyMB = 5

// copies has a program take over, and holds it when it has read a part of the database.
func copies(client int) func(context.Context, *pair) error {
	return func(ctx context.Context, p *pair) error {
		a := p.actors[client]
		err := a.trap(ctx, workload.Trap{
			Ops: []string{workload.OpRead}, Name: plainName, Since: workload.SinceTakeover, N: 2, After: true,
		})
		if err != nil {
			return err
		}
		a.begin(func() workload.Operation {
			if err := a.open(ctx); err != nil {
				return workload.Operation{Outcome: workload.Failed, Err: err.Error()}
			}
			return a.append(ctx)
		})
		held, err := a.trapped(ctx)
		if err == nil && !held {
			err = unmet("the copy was not held: %v: %s", &a.came, a.came.Err)
		}
		return err
	}
}

func closes(client int) func(context.Context, *pair) error {
	return func(ctx context.Context, p *pair) error { return p.actors[client].close(ctx) }
}

// opensUntidy opens the database for who takes over, and puts off the removal of the old
// files.
func opensUntidy(client int) func(context.Context, *pair) error {
	return func(ctx context.Context, p *pair) error {
		a := p.actors[client]
		err := a.trap(ctx, workload.Trap{Ops: []string{workload.OpRemove}, Name: plainName + "*", Since: workload.SinceTakeover})
		if err != nil {
			return err
		}
		return a.open(ctx)
	}
}

func opens(client int) func(context.Context, *pair) error {
	return func(ctx context.Context, p *pair) error { return p.actors[client].open(ctx) }
}

const (
	mostTries = 4 // of a scene, until there is damage without the guard
	atOnce    = 3 // mounts in a scene, each with two databases: the machines are small
)

// runGuards prints one table: guard × mount, without and with the guard.
func (l *lab) runGuards(ctx context.Context) error {
	t := table.NewWriter()
	t.SetOutputMirror(os.Stdout)
	t.SetStyle(table.StyleLight)
	t.SetColumnConfigs([]table.ColumnConfig{{Name: "scenario", WidthMax: 50, WidthMaxEnforcer: text.WrapSoft}})
	t.AppendHeader(table.Row{"guard", "scenario", "mount", "without", "with"})
	var told []string
	for i, g := range guards {
		if len(l.guards) > 0 && !slices.Contains(l.guards, g.name) {
			continue
		}
		trials, err := l.tryGuard(ctx, g, i)
		for k, tr := range trials {
			row := table.Row{"", "", tr.mount, tr.without, tr.with}
			if k == 0 {
				row[0], row[1] = g.name, g.about
			}
			t.AppendRow(row)
			told = append(told, tr.wrong...)
		}
		t.AppendSeparator()
		if err != nil {
			t.Render()
			return fmt.Errorf("%s: %w", g.name, err)
		}
	}
	t.Render()
	return tell(told)
}

// A trial is of one guard on one mount.
type trial struct {
	mount, mode   string
	without, with string // cells
	proven        bool   // there was damage without, and none with it
	wrong         []string
}

func (tr *trial) over() bool { return tr.proven || len(tr.wrong) > 0 }

// tryGuard repeats the scene of a guard until it is proven on each mount.
func (l *lab) tryGuard(ctx context.Context, g guard, turn int) (trials []*trial, err error) {
	for i, mount := range l.chosenMounts() {
		if !g.nfs || strings.HasPrefix(mount, "nfs") {
			trials = append(trials, &trial{mount: mount, mode: l.modeOf(g.modes, i, turn)})
		}
	}
	left := trials
	for try := 0; try < mostTries && len(left) > 0; try++ {
		for some := range slices.Chunk(left, atOnce) {
			if err := l.playGuard(ctx, g, some, try); err != nil {
				return trials, err
			}
		}
		left = slices.DeleteFunc(slices.Clone(left), (*trial).over)
	}
	for _, tr := range left {
		tr.wrong = append(tr.wrong, fmt.Sprintf("%s, %s in mode %s: its removal broke nothing in %d tries", g.name, tr.mount, tr.mode, mostTries))
	}
	return trials, nil
}

// playGuard plays the scene once, for each mount without the guard and with it.
func (l *lab) playGuard(ctx context.Context, g guard, trials []*trial, try int) error {
	began := time.Now()
	sc := &scene{lab: l}
	for _, tr := range trials {
		seed := l.seed + uint64(try)
		sc.pairs = append(sc.pairs, g.pair(l, tr, seed, true), g.pair(l, tr, seed, false))
	}
	wrong, err := sc.run(ctx, g.act)
	if err != nil {
		return err
	}
	for i, tr := range trials {
		tr.judge(g, try, sc.pairs[2*i], wrong[2*i], sc.pairs[2*i+1], wrong[2*i+1])
	}
	l.sayf("%s, try %d: %v", g.name, try+1, time.Since(began).Round(time.Second))
	return nil
}

func (g guard) pair(l *lab, tr *trial, seed uint64, removed bool) *pair {
	p := newPair(l, tr.mount, tr.mode, seed)
	p.mb = g.mb
	if g.blind {
		p.bare[victim] = []string{workload.GuardClock}
	}
	if removed && g.by == nil {
		p.without = []string{g.name}
	}
	for _, client := range g.by {
		if removed {
			p.bare[client] = append(p.bare[client], g.name)
		}
	}
	return p
}

// judge notes what a try came to: that of a pair without the guard, and of a whole one.
func (tr *trial) judge(g guard, try int, bare *pair, bareWrong []string, whole *pair, wrong []string) {
	for _, w := range bareWrong {
		bare.lab.sayf("without %s, %v: %s", g.name, bare.subject, w)
	}
	tr.without = fmt.Sprintf("%s %s", tr.mode, bare.cell(bareWrong))
	tr.with = whole.cell(wrong)
	if whole.missed(wrong) {
		whole.lab.sayf("with %s, %v: %v", g.name, whole.subject, whole.failed)
		return
	}
	if try > 0 {
		tr.without += fmt.Sprintf(", try %d", try+1)
	}
	for _, w := range wrong {
		tr.wrong = append(tr.wrong, fmt.Sprintf("with %s, %v: %s", g.name, whole.subject, w))
	}
	what := (verdict{wrong: bareWrong}).damage()
	tr.proven = what != "" && what != "WRONG" && len(wrong) == 0
}
