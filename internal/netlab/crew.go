//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/holdfastdb/holdfast/internal/netlab/workload"
)

// A crew are programs on the clients, one of a kind on each, that a section gives single
// orders to. It may be used by several goroutines.
type crew struct {
	lab *lab

	mu    sync.Mutex
	procs map[post]*process // guarded by mu
	seats int               // guarded by mu; that were taken
	gone  []*process        // guarded by mu; that were given up
}

// A post is where a program runs, and which.
type post struct {
	client int
	who    string
}

func (l *lab) newCrew() *crew { return &crew{lab: l, procs: make(map[post]*process)} }

// on returns the program of a kind on a client, and starts it if none runs.
func (c *crew) on(ctx context.Context, client int, who string) (*process, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := post{client, who}
	if p := c.procs[at]; p != nil {
		return p, nil
	}
	p, err := c.lab.start(ctx, client, who)
	if err == nil {
		c.procs[at] = p
	}
	return p, err
}

// giveUp forgets a program to which something was done: the next one there is new.
func (c *crew) giveUp(client int, who string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := post{client, who}
	if p := c.procs[at]; p != nil {
		c.gone = append(c.gone, p)
		delete(c.procs, at)
	}
}

// dismiss has all programs end, and kills those that do not.
func (c *crew) dismiss(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for at, p := range c.procs {
		if err := p.stop(ctx); err != nil && !errors.Is(err, workload.ErrGone) {
			errs = append(errs, fmt.Errorf("program on %v: %w", p, err))
		}
		delete(c.procs, at)
	}
	for _, p := range c.gone {
		p.kill()
	}
	return errors.Join(errs...)
}

// kill kills what still runs.
func (c *crew) kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.procs {
		p.kill()
	}
	for _, p := range c.gone {
		p.kill()
	}
}

// database makes a database of the bank, in a directory of its own.
func (c *crew) database(ctx context.Context, mount, who, mode string) (s *subject, err error) {
	p, err := c.on(ctx, victim, who)
	if err != nil {
		return nil, err
	}
	s = &subject{lab: c.lab, mount: mount, who: who, mode: mode}
	return s, s.setUp(ctx, p)
}

// kindOf is the kind of the error that a program reported, "" if it is none.
func kindOf(err error) string {
	var said *workload.Error
	if errors.As(err, &said) {
		return said.Kind
	}
	return ""
}

// A seat is an open connection of a program, and what was appended by it.
type seat struct {
	*process
	conn string
	rows int // that were acknowledged
	last int // number of the latest row, acknowledged or not
}

// seat opens a connection. A machine whose link was just cut may need some tries.
func (c *crew) seat(ctx context.Context, client int, who string, open *workload.Open) (*seat, error) {
	p, err := c.on(ctx, client, who)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.seats++
	t := &seat{process: p, conn: fmt.Sprintf("seat%d", c.seats)}
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, 2*workerBound)
	defer cancel()
	for {
		_, err := t.order(ctx, workload.Command{Do: workload.DoOpen, Open: open})
		if kind := kindOf(err); kind != workload.KindUnreached && kind != workload.KindLost {
			return t, err
		}
		if sleep(ctx, time.Second) != nil {
			return t, err
		}
	}
}

// order has the program do something on the connection.
func (t *seat) order(ctx context.Context, cmd workload.Command) (workload.Reply, error) {
	ctx, cancel := context.WithTimeout(ctx, hangBound)
	defer cancel()
	cmd.Conn = t.conn
	return t.Must(ctx, cmd)
}

// leave closes the connection.
func (t *seat) leave(ctx context.Context) error {
	_, err := t.order(ctx, workload.Command{Do: workload.DoClose})
	return err
}

// append commits one row, and says how long that took by the machine's own clock.
func (t *seat) append(ctx context.Context) (workload.Row, time.Duration, error) {
	t.last++
	row := workload.Row{Writer: fmt.Sprintf("%v-%s", t.process, t.conn), N: t.last}
	reply, err := t.order(ctx, workload.Command{
		Do: workload.DoAppend, Limit: opLimit,
		Append: &workload.Append{Writer: row.Writer, N: row.N, From: 0, To: 1, Amount: 1, Book: -1},
	})
	if err == nil {
		t.rows++
	}
	return row, reply.Took, err
}

// bench repeats something.
func (t *seat) bench(ctx context.Context, b workload.Bench) (*workload.Measured, error) {
	reply, err := t.order(ctx, workload.Command{Do: workload.DoBench, Bench: &b})
	if err == nil && reply.Bench.Count == 0 {
		err = fmt.Errorf("%v: not one %s was done: %v %s", t.process, b.Kind, reply.Bench.Errors, reply.Bench.Last)
	}
	return reply.Bench, err
}

// quantile returns the value that so many in a hundred do not exceed, 0 of none.
func quantile(of []time.Duration, percent int) time.Duration {
	if len(of) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(of))
	return sorted[min(len(sorted)-1, len(sorted)*percent/100)]
}

// median returns the middle of some rates, 0 of none.
func median(of []float64) float64 {
	if len(of) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(of))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// timesOf is how many times the base some rates are, in the median of the rounds: what
// slows a round down slows all sides. It is 0 without a base.
func timesOf(rates, base []float64) float64 {
	var times []float64
	for i := range min(len(rates), len(base)) {
		if base[i] > 0 {
			times = append(times, rates[i]/base[i])
		}
	}
	return median(times)
}

// ms is a duration as the tables show it.
func ms(d time.Duration) string {
	if d < 10*time.Millisecond {
		return fmt.Sprintf("%.1f ms", d.Seconds()*1000)
	}
	return fmt.Sprintf("%.0f ms", d.Seconds()*1000)
}
