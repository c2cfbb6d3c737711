//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/holdfastdb/holdfast/internal/netlab/workload"
)

// A moment is one of the worst for something to happen. The victim is held there, which
// the file operations of its program allow, until it has happened.
type moment struct {
	name  string
	about string
	short bool     // also if it is to be short
	modes []string // of the journal, in which there is such a moment; nil: all
	act   act
}

var moments = []moment{
	{name: "page-late", about: "cut between the last check and the write of a page", short: true, act: all(ready, held(beforePage(3)), lands)},
	{name: "checkpoint-late", about: "the same, as the end of a WAL is written to the database", modes: []string{"wal"}, act: all(ready, heldClosing(beforeCheckpoint), lands)},
	{name: "finished-cut", about: "cut between the end of the journal, or the sync of the WAL, and the verification", act: all(ready, held(afterFinish), lands)},
	{name: "finished-frozen", about: "the same, and the machine frozen instead", short: true, act: all(ready, held(afterFinish), freeze(victim), each(commits(other, 3)), wakes(victim, letGo(victim)), again)},
	{name: "end-late-killed", about: "cut as it ends its journal, and killed: that lands late", short: true, act: all(ready, held(beforeFinish), killedLate)},
	{name: "unlink-late-killed", about: "the same with the unlink of a journal or a WAL", modes: []string{"delete", "truncate", "wal"}, act: all(ready, heldClosing(beforeUnlink), killedLate)},
	{name: "takeover-killed", about: "killed in mid-transaction; who takes over is killed at each step of that in turn", short: true, act: copierKilled},
	{name: "takeover-frozen", about: "the same, and who takes over is frozen at a step until a third has the database", act: copierFrozen},
	{name: "takeover-first-wakes", about: "frozen in mid-transaction, and wakes at a step of the takeover", act: firstWakes},
}

// ready has both programs have worked. The victim did last, and so has the lease.
var ready = all(each(commits(other, 1)), each(commits(victim, 1)))

// held has the victim be held in a transaction, and heldClosing as it closes the database.
func held(at point) act {
	return each(func(ctx context.Context, p *pair) error {
		a := p.actors[victim]
		return a.hold(ctx, at, a.beginAppend)
	})
}

func heldClosing(at point) act {
	return each(func(ctx context.Context, p *pair) error {
		a := p.actors[victim]
		return a.hold(ctx, at, a.beginClose)
	})
}

func letGo(client int) func(context.Context, *pair) error {
	return func(ctx context.Context, p *pair) error { return p.actors[client].letGo(ctx) }
}

func ended(client int) func(context.Context, *pair) error {
	return func(ctx context.Context, p *pair) error { return p.actors[client].ended(ctx) }
}

func killed(client int) func(context.Context, *pair) error {
	return func(_ context.Context, p *pair) error { return p.actors[client].kill() }
}

// lands has what is held hang in the kernel until others have gone on.
var lands = all(cutOff(victim), each(letGo(victim)), each(commits(other, 3)), restore(victim), again)

// again has everybody work again, when what hung is over.
var again = all(each(ended(victim)), flushed(victim), each(back(victim)), each(commits(other, 1)), each(reads(other)))

// killedLate is lands for a program that is killed while it hangs.
var killedLate = all(
	cutOff(victim), each(letGo(victim)), each(killed(victim)), each(commits(other, 3)), restore(victim),
	each(ended(victim)), flushed(victim), each(commits(other, 1)), each(commits(victim, 1)), each(reads(other)),
)

// back has a program go on that was held. It may have closed its connection.
func back(client int) func(context.Context, *pair) error {
	return func(ctx context.Context, p *pair) error {
		a := p.actors[client]
		if a.came.Kind == "" {
			if err := a.open(ctx); err != nil {
				return err
			}
		}
		return a.commits(ctx, 1)
	}
}

func reads(client int) func(context.Context, *pair) error {
	return func(ctx context.Context, p *pair) error { return p.actors[client].read(ctx) }
}

// runMoments prints one table: moment × mount.
func (l *lab) runMoments(ctx context.Context) error {
	mounts := l.chosenMounts()
	t := table.NewWriter()
	t.SetOutputMirror(os.Stdout)
	t.SetStyle(table.StyleLight)
	header := table.Row{"moment"}
	for _, m := range mounts {
		header = append(header, m)
	}
	t.AppendHeader(header)
	var told []string
	for i, m := range moments {
		if len(l.moments) > 0 && !slices.Contains(l.moments, m.name) || len(l.moments) == 0 && l.short && !m.short {
			continue
		}
		row, wrong, err := l.momentRow(ctx, m, i)
		if err != nil {
			t.Render()
			return fmt.Errorf("%s: %w", m.name, err)
		}
		t.AppendRow(row)
		told = append(told, wrong...)
	}
	t.Render()
	return tell(told)
}

// tell prints what is wrong, and returns errDamage if anything is.
func tell(wrong []string) error {
	for _, w := range wrong {
		fmt.Println(w)
	}
	if len(wrong) > 0 {
		return errDamage
	}
	return nil
}

// mostMisses is how often a moment is tried that does not come about, since machines that
// are emulated are too slow at times.
const mostMisses = 3

func (l *lab) momentRow(ctx context.Context, m moment, turn int) (row table.Row, told []string, err error) {
	cells := make(map[string]string)
	left := l.chosenMounts()
	for try := 1; len(left) > 0; try++ {
		pairs, wrong, err := l.playMoment(ctx, m, left, turn, try)
		if err != nil {
			return nil, nil, err
		}
		left = nil
		for i, p := range pairs {
			if try < mostMisses && p.missed(wrong[i]) {
				left = append(left, p.mount)
				continue
			}
			cells[p.mount] = fmt.Sprintf("%s %s", p.mode, p.cell(wrong[i]))
			for _, w := range wrong[i] {
				told = append(told, fmt.Sprintf("%s, %v: %s", m.name, p.subject, w))
			}
		}
	}
	row = table.Row{m.name}
	for _, mount := range l.chosenMounts() {
		row = append(row, cells[mount])
	}
	return row, told, nil
}

func (l *lab) playMoment(ctx context.Context, m moment, mounts []string, turn, try int) ([]*pair, [][]string, error) {
	began := time.Now()
	sc := &scene{lab: l}
	for _, mount := range mounts {
		i := slices.Index(l.chosenMounts(), mount)
		sc.pairs = append(sc.pairs, newPair(l, mount, l.modeOf(m.modes, i, turn), l.seed+uint64(try)))
	}
	wrong, err := sc.run(ctx, m.act)
	l.sayf("%s, try %d: %v", m.name, try, time.Since(began).Round(time.Second))
	return sc.pairs, wrong, err
}

// missed reports whether nothing is wrong with a pair but that its scene did not come
// about.
func (p *pair) missed(wrong []string) bool { return errors.Is(p.failed, errUnmet) && len(wrong) == 1 }

// modeOf is the journal mode of a mount, of those that are allowed: see [lab.mode].
func (l *lab) modeOf(allowed []string, mount, turn int) string {
	var modes []string
	for _, m := range journalModes {
		if (allowed == nil || slices.Contains(allowed, m)) && (len(l.modes) == 0 || slices.Contains(l.modes, m)) {
			modes = append(modes, m)
		}
	}
	if len(modes) == 0 { // what was chosen is none in which it happens
		modes = allowed
	}
	return modes[(turn+mount)%len(modes)]
}

func newPair(l *lab, mount, mode string, seed uint64) *pair {
	return &pair{subject: &subject{lab: l, mount: mount, who: holdfast, mode: mode, traps: true}, seed: seed}
}

// cell is what a table says of a pair.
func (p *pair) cell(wrong []string) string {
	switch what := (verdict{wrong: wrong}).damage(); {
	case p.missed(wrong):
		return "did not come about"
	case what == "WRONG" && errors.Is(p.failed, errHung):
		return "hung"
	case what != "":
		return what
	case p.steps > 0:
		return fmt.Sprintf("ok %d steps, %.0fs", p.steps, p.waited.Seconds())
	}
	return fmt.Sprintf("ok %d, %.0fs", p.history.Summary().Counts["append "+workload.OK], p.waited.Seconds())
}
