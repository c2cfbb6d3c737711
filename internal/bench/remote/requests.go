package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"golang.org/x/sync/errgroup"

	_ "github.com/holdfastdb/holdfast"
	"github.com/holdfastdb/holdfast/locking"
)

// Dollars for a request, in us-east-1: https://aws.amazon.com/s3/pricing/
const (
	standardPut, standardGet = 0.005 / 1000, 0.0004 / 1000
	expressPut, expressGet   = 0.00113 / 1000, 0.00003 / 1000
)

// A counted register counts its GETs and PUTs.
type counted struct {
	locking.Register
	gets, puts *atomic.Int64
}

func (c counted) Read(ctx context.Context) ([]byte, locking.Version, error) {
	c.gets.Add(1)
	return c.Register.Read(ctx)
}

func (c counted) CompareAndSwap(ctx context.Context, old locking.Version, value []byte) (locking.Version, error) {
	c.puts.Add(1)
	return c.Register.CompareAndSwap(ctx, old, value)
}

// countedScheme is that of the lock whose requests are counted.
const countedScheme = "counted"

// A meter opens registers and counts what is asked of them.
type meter struct {
	open       func(name string) (locking.Register, error)
	gets, puts atomic.Int64
	opened     atomic.Int64
	dir        string // for databases
}

func (m *meter) register() (locking.Register, error) {
	r, err := m.open(fmt.Sprintf("counted-%d", m.opened.Add(1)))
	return counted{r, &m.gets, &m.puts}, err
}

// A usage is what somebody does with a database for a while.
type usage struct {
	name   string
	before time.Duration // nothing is done, and nothing counted
	every  time.Duration // between two transactions; 0: none
	query  string
	rivals bool // two processes write all the time
}

// A cadence is how a lease is kept.
type cadence struct {
	name      string
	ttl, poll time.Duration
}

// countFor is how long requests are counted.
const countFor = 10 * time.Second

// requests counts what leases in S3 ask for, and says what an hour of that costs.
func requests(ctx context.Context, open func(name string) (locking.Register, error)) (err error) {
	m := &meter{open: open}
	locking.RegisterBackend(countedScheme, locking.LeaseBackend(func(context.Context, *url.URL, string) (locking.Register, error) { return m.register() }))
	if m.dir, err = os.MkdirTemp(".", "bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(m.dir)
	t := table.NewWriter()
	t.AppendHeader(table.Row{"requests an hour, of each process", "settings", "GET", "PUT", "S3 Standard", "S3 Express"})
	const insert, read = "INSERT INTO t DEFAULT VALUES", "SELECT count(*) FROM t"
	for _, c := range []cadence{{"ttl=15s, poll=100ms (the defaults)", 15 * time.Second, 100 * time.Millisecond}, {"ttl=60s, poll=1s", time.Minute, time.Second}} {
		for _, u := range []usage{
			{name: "open, unused for longer than idle", before: 4 * time.Second},
			{name: "a read every 100 ms", every: 100 * time.Millisecond, query: read},
			{name: "a commit every second", every: time.Second, query: insert},
			{name: "two processes that write all the time", rivals: true},
		} {
			gets, puts, err := m.measure(ctx, u, c)
			if err != nil {
				return fmt.Errorf("%s: %w", u.name, err)
			}
			hourly := func(n int64) int64 { return int64(float64(n) * float64(time.Hour) / float64(countFor)) }
			gets, puts = hourly(gets), hourly(puts)
			price := func(get, put float64) string { return fmt.Sprintf("$%.4f", float64(gets)*get+float64(puts)*put) }
			t.AppendRow(table.Row{u.name, c.name, gets, puts, price(standardGet, standardPut), price(expressGet, expressPut)})
		}
	}
	fmt.Println()
	fmt.Println(t.RenderMarkdown())
	return nil
}

// measure returns the requests of one process in countFor.
func (m *meter) measure(ctx context.Context, u usage, c cadence) (gets, puts int64, err error) {
	processes, work := int64(1), m.use
	if u.rivals {
		processes, work = 2, m.contend
	}
	err = work(ctx, u, c, func(counting bool) {
		g, p := m.gets.Load(), m.puts.Load()
		if counting {
			gets, puts = g, p
		} else {
			gets, puts = g-gets, p-puts
		}
	})
	return gets / processes, puts / processes, err
}

// use has one process use a database.
func (m *meter) use(ctx context.Context, u usage, c cadence, count func(counting bool)) error {
	params := fmt.Sprintf("lock=%s&ttl=%v&poll=%v", countedScheme, c.ttl, c.poll)
	if u.before > 0 {
		params += "&idle=2s" // by default as long as the ttl: this is not to wait that long
	}
	path := filepath.Join(m.dir, fmt.Sprintf("%d.db", m.opened.Load()))
	db, err := sql.Open("holdfast", "file:"+path+"?"+params)
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, "CREATE TABLE t (id INTEGER PRIMARY KEY)"); err != nil {
		return err
	}
	if err := pause(ctx, u.before); err != nil {
		return err
	}
	end := time.Now().Add(countFor)
	count(true)
	defer count(false)
	for u.every > 0 && time.Now().Before(end) {
		if _, err := db.ExecContext(ctx, u.query); err != nil {
			return err
		}
		if err := pause(ctx, u.every); err != nil {
			return err
		}
	}
	return pause(ctx, time.Until(end))
}

// contend has two processes write in turns. Each is a coordinator; what it does to a
// database is a millisecond and the verification of a commit.
func (m *meter) contend(ctx context.Context, _ usage, c cadence, count func(counting bool)) error {
	r, err := m.register()
	if err != nil {
		return err
	}
	end := time.Now().Add(countFor)
	count(true)
	defer count(false)
	writers, ctx := errgroup.WithContext(ctx)
	for range 2 {
		l, err := newLeased(r, locking.Options{TTL: c.ttl, Poll: c.poll})
		if err != nil {
			return err
		}
		writers.Go(func() error {
			defer l.Coordinator.Close(ctx)
			for time.Now().Before(end) {
				err := l.take(ctx)
				if errors.Is(err, locking.ErrHeld) { // who climbs does not wait: the other one was let in first
					if err = l.Unlock(locking.None); err == nil {
						continue
					}
				}
				if err != nil {
					return err
				}
				if err := pause(ctx, time.Millisecond); err != nil {
					return err
				}
				if err := l.Verify(); err != nil {
					return err
				}
				if err := l.Unlock(locking.None); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return writers.Wait()
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
