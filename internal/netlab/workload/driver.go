package workload

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// A Mix says what a [Driver] has connections do.
type Mix struct {
	Seed  uint64        // of the choices; what comes of them depends on the timing as well
	Reads int           // of a hundred operations
	Deep  int           // of a hundred reads
	Spill int           // of a hundred appends, with a cache so small that they write before they commit
	Think time.Duration // between two operations of a connection, at most

	Limit time.Duration // of an operation, by its worker's clock: it then ends, with an error
	Hang  time.Duration // of an operation, by the host's clock: it then counts as not answered; default Limit and 30 s
}

// A Driver has connections work at random, and notes what they did in a history.
type Driver struct {
	history *History
	mix     Mix
	all     sync.WaitGroup

	mu      sync.Mutex
	started uint64  // guarded by mu; connections
	errs    []error // guarded by mu
}

// NewDriver returns a driver without connections.
func NewDriver(h *History, m Mix) *Driver {
	if m.Hang == 0 {
		m.Hang = m.Limit + 30*time.Second
	}
	return &Driver{history: h, mix: m}
}

// Start has an open connection work until ctx ends or its worker is gone. It finishes
// the operation that it is in.
func (d *Driver) Start(ctx context.Context, c *Client, conn string) {
	d.mu.Lock()
	d.started++
	rng := rand.New(rand.NewPCG(d.mix.Seed, d.started))
	d.mu.Unlock()
	w := &writer{Driver: d, client: c, conn: conn, rng: rng, name: d.history.Writer()}
	d.all.Go(func() { w.work(ctx) })
}

// Wait waits until all connections have stopped, which takes no longer than Hang after
// their contexts ended. It returns what the workers could not
// make sense of.
func (d *Driver) Wait() error {
	d.all.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	return errors.Join(d.errs...)
}

// A writer is one connection.
type writer struct {
	*Driver
	client *Client
	conn   string
	rng    *rand.Rand
	name   string
	n      int // of its last row
}

func (w *writer) work(ctx context.Context) {
	for ctx.Err() == nil {
		o := w.next(context.WithoutCancel(ctx))
		if o.Why == KindUsage {
			w.mu.Lock()
			w.errs = append(w.errs, fmt.Errorf("%v: %s", &o, o.Err))
			w.mu.Unlock()
			return
		}
		pause := time.Duration(w.rng.Int64N(int64(w.mix.Think) + 1))
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		case <-w.client.Gone():
			return
		}
	}
}

func (w *writer) next(ctx context.Context) Operation {
	ctx, cancel := context.WithTimeoutCause(ctx, w.mix.Hang, fmt.Errorf("%v went by", w.mix.Hang))
	defer cancel()
	if w.chance(w.mix.Reads) {
		return w.history.Read(ctx, w.client, w.conn, w.mix.Limit, Read{Deep: w.chance(w.mix.Deep)})
	}
	w.n++
	a := Append{
		Writer: w.name, N: w.n,
		From: w.rng.IntN(Accounts), To: w.rng.IntN(Accounts), Amount: 1 + w.rng.IntN(Balance),
		Book: w.rng.IntN(Books+1) - 1,
	}
	if w.chance(w.mix.Spill) {
		a.Cache = smallCache
	}
	return w.history.Append(ctx, w.client, w.conn, w.mix.Limit, a)
}

// smallCache is a number of pages that a book does not fit into.
const smallCache = 5

func (w *writer) chance(percent int) bool { return w.rng.IntN(100) < percent }
