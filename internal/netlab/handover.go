//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"golang.org/x/sync/errgroup"

	"github.com/holdfastdb/holdfast/internal/netlab/workload"
)

// How much is handed over, and for how long two clients contend.
const (
	handOvers     = 30 // in each direction
	contendFor    = 6 * time.Second
	contendRounds = 3
	aside         = 300 * time.Millisecond // at most, between two that are timed, so that no poll is met in step
)

// runHandover prints how long it takes two clients to take turns: when one asks now and
// then, and when both write as fast as they can.
func (l *lab) runHandover(ctx context.Context) error {
	c := l.newCrew()
	defer c.kill()
	if slices.Contains(l.who, holdfast) {
		if err := l.turns(ctx, c); err != nil {
			return err
		}
	}
	if err := l.contention(ctx, c); err != nil {
		return err
	}
	return c.dismiss(ctx)
}

func (l *lab) timedModes() []string {
	if len(l.modes) > 0 {
		return l.modes
	}
	return []string{"delete", "wal"}
}

func (l *lab) turns(ctx context.Context, c *crew) error {
	t := newTable()
	t.AppendHeader(table.Row{"mount", "mode", "hand-overs", "median", "p90", "p99", "longest", "commit without"})
	t.SetCaption("From when one client asks until it has committed, while the other one keeps the lease of its last commit.\n" +
		"Without: the median of commits of who has the lease.")
	defer t.Render()
	for _, mount := range l.chosenMounts() {
		for _, mode := range l.timedModes() {
			over, own, err := l.takeTurns(ctx, c, mount, mode)
			if err != nil {
				return err
			}
			t.AppendRow(table.Row{
				mount, mode, len(over), ms(quantile(over, 50)), ms(quantile(over, 90)), ms(quantile(over, 99)), ms(slices.Max(over)), ms(quantile(own, 50)),
			})
		}
	}
	return nil
}

// takeTurns has two clients commit twice each, in turn. The first commit of each pair is
// after a hand-over.
func (l *lab) takeTurns(ctx context.Context, c *crew, mount, mode string) (over, own []time.Duration, err error) {
	db, err := c.database(ctx, mount, holdfast, mode)
	if err != nil {
		return nil, nil, err
	}
	var seats [2]*seat
	for client := range seats {
		if seats[client], err = c.seat(ctx, client, holdfast, db.open()); err != nil {
			return nil, nil, err
		}
	}
	rng := rand.New(rand.NewPCG(l.seed, 0))
	const warm = 2 // pairs that are not counted
	for i := range 2 * (warm + l.scaled(handOvers)) {
		for k := range 2 {
			_, took, err := seats[i%2].append(ctx)
			switch {
			case err != nil:
				return nil, nil, err
			case i < 2*warm:
			case k == 0:
				over = append(over, took)
			default:
				own = append(own, took)
			}
		}
		if err := sleep(ctx, time.Duration(rng.Int64N(int64(aside)))); err != nil {
			return nil, nil, err
		}
	}
	return over, own, errors.Join(seats[0].leave(ctx), seats[1].leave(ctx))
}

// scaled is a third of n if it is to be short.
func (l *lab) scaled(n int) int {
	if l.short {
		return max(1, n/3)
	}
	return n
}

// A struggle is what came of two clients that commit as fast as they can.
type struggle struct {
	rates   []float64 // both together, by round
	commits [2]int    // by client
	longest time.Duration
	errors  map[string]int
}

// contention prints what two clients get that contend, with Holdfast and with the stock
// driver in turn.
func (l *lab) contention(ctx context.Context, c *crew) error {
	t := newTable()
	t.AppendHeader(table.Row{"mount", "with", "mode", "commits/s", "of stock", "shares", "longest", "errors", "goals"})
	t.SetCaption("Two clients commit one row after the other for %v, %d times. Goals: twice what stock does, shares within 40:60, no commit of 3 s.",
		contendFor, l.scaled(contendRounds))
	defer t.Render()
	for _, mount := range l.chosenMounts() {
		rows, err := l.contendOn(ctx, c, mount)
		if err != nil {
			return err
		}
		t.AppendRows(rows)
		t.AppendSeparator()
	}
	return nil
}

func (l *lab) contendOn(ctx context.Context, c *crew, mount string) (rows []table.Row, err error) {
	var sides []*subject
	if slices.Contains(l.who, stock) && stockRuns(mount) {
		sides = append(sides, &subject{who: stock, mode: "delete"})
	}
	if slices.Contains(l.who, holdfast) {
		for _, mode := range l.timedModes() {
			sides = append(sides, &subject{who: holdfast, mode: mode})
		}
	}
	results := make([]struggle, len(sides))
	for i, s := range sides {
		if sides[i], err = c.database(ctx, mount, s.who, s.mode); err != nil {
			return nil, err
		}
		results[i].errors = make(map[string]int)
	}
	for range l.scaled(contendRounds) {
		for i, s := range sides {
			if err := results[i].round(ctx, c, s); err != nil {
				return nil, err
			}
		}
	}
	var base []float64
	for i, s := range sides {
		if s.who == stock {
			base = results[i].rates
		}
	}
	for i, s := range sides {
		rows = append(rows, results[i].row(s, base))
	}
	return rows, nil
}

// round has both clients contend once.
func (r *struggle) round(ctx context.Context, c *crew, s *subject) error {
	var seats [2]*seat
	var got [2]*workload.Measured
	g, inner := errgroup.WithContext(ctx)
	for client := range seats {
		var err error
		if seats[client], err = c.seat(ctx, client, s.who, s.open()); err != nil {
			return err
		}
	}
	for client, t := range seats {
		g.Go(func() error {
			reply, err := t.order(inner, workload.Command{Do: workload.DoBench, Bench: &workload.Bench{Kind: workload.BenchCommit, For: contendFor}})
			got[client] = reply.Bench
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("%v: contending: %w", s, err)
	}
	rate := 0.0
	for client, m := range got {
		rate += m.PerSecond()
		r.commits[client] += m.Count
		r.longest = max(r.longest, m.Max)
		for kind, n := range m.Errors {
			r.errors[kind] += n
		}
	}
	r.rates = append(r.rates, rate)
	return errors.Join(seats[0].leave(ctx), seats[1].leave(ctx))
}

// share is the smaller share of a hundred commits.
func (r *struggle) share() int {
	all := r.commits[0] + r.commits[1]
	if all == 0 {
		return 0
	}
	return (100*min(r.commits[0], r.commits[1]) + all/2) / all
}

func (r *struggle) row(s *subject, base []float64) table.Row {
	times := timesOf(r.rates, base)
	row := table.Row{
		s.mount, s.who, s.mode, fmt.Sprintf("%.1f", median(r.rates)), ratio(times),
		fmt.Sprintf("%d:%d", r.share(), 100-r.share()), ms(r.longest), kinds(r.errors),
	}
	if s.who == stock {
		return append(row, "")
	}
	goals := []goal{{"40:60", r.share() >= 40}, {"3 s", r.longest < 3*time.Second}}
	if base != nil {
		goals = append([]goal{{"2x", times >= 2}}, goals...)
	}
	return append(row, verdictOf(goals))
}
