package main

import (
	"context"
	"fmt"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/holdfastdb/holdfast/backends/leasefile"
	"github.com/holdfastdb/holdfast/locking"
)

// countedScheme is that of a lease file whose operations are counted.
const countedScheme = "countedleasefile"

var operations struct{ reads, swaps atomic.Int64 }

func init() {
	locking.RegisterBackend(countedScheme, locking.LeaseBackend(
		func(_ context.Context, u *url.URL, database string) (locking.Register, error) {
			reg, err := leasefile.Open(u, database)
			return counted{reg}, err
		}))
}

// A counted register counts what is asked of it.
type counted struct{ locking.Register }

func (c counted) Read(ctx context.Context) ([]byte, locking.Version, error) {
	operations.reads.Add(1)
	return c.Register.Read(ctx)
}

func (c counted) CompareAndSwap(ctx context.Context, old locking.Version, value []byte) (locking.Version, error) {
	operations.swaps.Add(1)
	return c.Register.CompareAndSwap(ctx, old, value)
}

// A tally is how many operations there were in some time.
type tally struct {
	reads, swaps int64
	took         time.Duration
}

func countDuring(work func() error) (tally, error) {
	reads, swaps, start := operations.reads.Load(), operations.swaps.Load(), time.Now()
	err := work()
	return tally{operations.reads.Load() - reads, operations.swaps.Load() - swaps, time.Since(start)}, err
}

// registerOperations counts what transactions, and an open database, ask of the
// register.
func (b *bench) registerOperations() error {
	const (
		commit = insertRow
		read   = `SELECT body FROM t WHERE id = 1`
		// patient is a lease whose holder has nothing to do by itself while this
		// runs: what is counted then lies on the path of a transaction.
		patient = "ttl=10m&renew=5m&poll=5m"
	)
	t := b.newTable("what happens", "transactions", "seconds", "reads", "swaps")
	for _, c := range []count{
		{name: "commits, nothing due meanwhile", params: patient, transactions: 500, query: commit},
		{name: "reads, nothing due meanwhile", params: patient, transactions: 5000, query: read},
		{name: "commits, the defaults: a look every 100ms", transactions: 500, query: commit},
		{name: "no transactions, the defaults", pause: time.Second},
		{name: "commits, sticky=off", params: "sticky=off", transactions: 100, query: commit},
		{name: "open database, 1s after an idle time of 500ms", params: "idle=500ms", before: 1500 * time.Millisecond, pause: 2 * time.Second},
	} {
		n, err := b.countOperations(c)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		t.row(c.name, fmt.Sprint(c.transactions), fmt.Sprintf("%.1f", n.took.Seconds()), fmt.Sprint(n.reads), fmt.Sprint(n.swaps))
	}
	return nil
}

// A count is one line of the table: what is done by a process that holds a lease.
type count struct {
	name, params  string
	before, pause time.Duration // nothing is done, uncounted at first and then counted
	transactions  int
	query         string
}

func (b *bench) countOperations(c count) (tally, error) {
	dir, err := b.place()
	if err != nil {
		return tally{}, err
	}
	db, err := maker{"holdfast", "lock=" + countedScheme + "&" + c.params}.open(dir+"/app.db", journalFull)
	if err != nil {
		return tally{}, err
	}
	defer db.Close()
	if err := fill(b.ctx, db, 1); err != nil {
		return tally{}, err
	}
	if err := b.wait(c.before); err != nil {
		return tally{}, err
	}
	return countDuring(func() error {
		for range c.transactions {
			if _, err := db.ExecContext(b.ctx, c.query); err != nil {
				return err
			}
		}
		return b.wait(c.pause)
	})
}

// wait does nothing for a while, unless the run is interrupted.
func (b *bench) wait(d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-b.ctx.Done():
		return b.ctx.Err()
	}
}
