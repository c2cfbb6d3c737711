//go:build linux

package main

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/holdfastdb/holdfast/internal/netlab/machine"
	"github.com/holdfastdb/holdfast/internal/netlab/workload"
)

// How long each side is measured at a time, and how often.
const (
	commitSlice  = time.Second
	readSlice    = 250 * time.Millisecond
	numberRounds = 3
)

// A side is one way to use SQLite on one mount. Sides are compared by short slices of
// each in turn, so that whatever else the host does meets all of them.
type side struct {
	*subject
	exclusive bool // the stock driver's locking_mode=EXCLUSIVE

	commits, reads reading
}

// runNumbers prints what one client does when nobody else is active, beside the stock
// driver on the same mount, and what requests that takes.
func (l *lab) runNumbers(ctx context.Context) error {
	c := l.newCrew()
	defer c.kill()
	rates, times := newRates(), newTimes()
	defer times.Render()
	defer rates.Render()
	for _, mount := range l.chosenMounts() {
		sides, err := l.measureOn(ctx, c, mount)
		if err != nil {
			return err
		}
		base := baseOf(sides)
		for _, s := range sides {
			rates.AppendRow(s.rates(mount, base))
			times.AppendRow(s.times())
		}
		rates.AppendSeparator()
		times.AppendSeparator()
	}
	return c.dismiss(ctx)
}

// measureOn measures all sides of one mount. Where stock SQLite cannot write, it is
// measured on a mount where it can, though two machines would damage the data there.
func (l *lab) measureOn(ctx context.Context, c *crew, mount string) (sides []*side, err error) {
	on := mount
	if !stockRuns(mount) {
		on = "smb-nobrl"
	}
	if on != mount && !slices.Contains(l.chosenMounts(), on) && slices.Contains(l.who, stock) {
		mnt, err := machine.MountNamed(on)
		if err == nil {
			err = l.cluster.Clients[victim].Mount(ctx, mnt)
		}
		if err != nil {
			return nil, err
		}
		defer func() {
			if e := l.cluster.Clients[victim].Unmount(context.WithoutCancel(ctx), mnt); err == nil {
				err = e
			}
		}()
	}
	modes := l.modes
	if len(modes) == 0 {
		modes = journalModes
	}
	for _, mode := range modes {
		if slices.Contains(l.who, stock) {
			sides = append(sides, &side{subject: &subject{mount: on, who: stock, mode: mode}, exclusive: mode == "wal"})
		}
		if slices.Contains(l.who, holdfast) {
			sides = append(sides, &side{subject: &subject{mount: mount, who: holdfast, mode: mode}})
		}
	}
	for _, s := range sides {
		if s.subject, err = c.database(ctx, s.mount, s.who, s.mode); err != nil {
			return nil, err
		}
	}
	for range l.scaled(numberRounds) {
		for _, s := range sides {
			if err := s.slice(ctx, c); err != nil {
				return nil, err
			}
		}
	}
	return sides, nil
}

// open is how it is opened: as users do, but for locking_mode.
func (s *side) open() *workload.Open {
	o := s.subject.open()
	if s.exclusive {
		o.Params = url.Values{"_locking_mode": {"EXCLUSIVE"}}
	}
	return o
}

// slice measures a side once. The lease is taken, and the journal made, before.
func (s *side) slice(ctx context.Context, c *crew) error {
	t, err := c.seat(ctx, victim, s.who, s.open())
	if err != nil {
		return err
	}
	const warm = 3
	for _, kind := range []string{workload.BenchRead, workload.BenchCommit} {
		if _, err := t.bench(ctx, workload.Bench{Kind: kind, Count: warm}); err != nil {
			return err
		}
	}
	busy, err := s.lab.busy(ctx)
	if err != nil {
		return err
	}
	commits, err := t.bench(ctx, workload.Bench{Kind: workload.BenchCommit, For: commitSlice})
	if err != nil {
		return err
	}
	after, err := s.lab.busy(ctx)
	if err != nil {
		return err
	}
	s.commits.add(commits, after.minus(busy))
	if _, err := t.bench(ctx, workload.Bench{Kind: workload.BenchRead, Count: warm}); err != nil {
		return err
	}
	reads, err := t.bench(ctx, workload.Bench{Kind: workload.BenchRead, For: readSlice})
	if err != nil {
		return err
	}
	s.reads.add(reads, load{})
	s.lab.sayf("%s %s on %s: %.1f commits/s, %.0f reads/s", s.who, s.mode, s.mount, commits.PerSecond(), reads.PerSecond())
	return t.leave(ctx)
}

// A reading is what all slices of one kind showed.
type reading struct {
	rates   []float64
	p50     []time.Duration
	count   int
	elapsed time.Duration
	total   int
	ops     map[string]workload.Call
	load    load
}

func (r *reading) add(m *workload.Measured, l load) {
	r.rates = append(r.rates, m.PerSecond())
	r.p50 = append(r.p50, m.P50)
	r.count += m.Count
	r.elapsed += m.Elapsed
	r.load = r.load.plus(l)
	if m.Calls == nil {
		return
	}
	r.total += m.Calls.Total
	if r.ops == nil {
		r.ops = make(map[string]workload.Call)
	}
	for op, call := range m.Calls.Ops {
		all := r.ops[op]
		all.Count, all.RTT, all.Whole = all.Count+call.Count, all.RTT+call.RTT, all.Whole+call.Whole
		r.ops[op] = all
	}
}

// of is how many times as fast it was.
func (r *reading) of(base *reading) float64 { return timesOf(r.rates, base.rates) }

// each is so many of something for each operation.
func (r *reading) each(n int) float64 { return float64(n) / float64(max(1, r.count)) }

// took is that time for each operation.
func (r *reading) took(all time.Duration) time.Duration { return all / time.Duration(max(1, r.count)) }

// waited is how long replies of the server were awaited in all, also at the same time.
func (r *reading) waited() (rtt time.Duration) {
	for _, call := range r.ops {
		rtt += call.RTT
	}
	return rtt
}

// baseOf returns stock SQLite as users have it.
func baseOf(sides []*side) *side {
	for _, s := range sides {
		if s.who == stock && s.mode == "delete" {
			return s
		}
	}
	return &side{subject: &subject{}}
}

// isNFS tells of a mount by its name.
func isNFS(mount string) bool { return strings.HasPrefix(mount, "nfs") }
