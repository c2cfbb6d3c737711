//go:build linux

package chaos

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ncruces/go-sqlite3"

	"github.com/holdfastdb/holdfast"
)

func init() { roles["fence"] = fenceWorker }

// fenceSettings are what a process is started with that holds a lease and is to
// lose it.
type fenceSettings struct {
	Name  string
	Seed  uint64
	Lazy  bool // see wire
	Pages bool
}

// A fenceOrder is what it is told.
type fenceOrder struct {
	Do    string // open, prepare, work, rest, audit, trap or pass
	DSN   string // to open
	Wired bool   // its files are on the wire
	Once  bool   // one that failed is the last transaction: a clock that stands still lets nobody in again
	Holds bool   // locking_mode is EXCLUSIVE
	Slow  bool   // what is sent takes a moment to take effect
	Trap  trap
}

// A fenceEvent is what it says.
type fenceEvent struct {
	Begin  *attempt   `json:",omitempty"` // of a transaction
	End    *attempt   `json:",omitempty"`
	Sprung *springing `json:",omitempty"`
	Done   string     `json:",omitempty"` // the order that was obeyed: open, prepare, rest or audit
	Err    string     `json:",omitempty"`
	Span   int        `json:",omitempty"` // operations that the trap counted
	Audit  *audit     `json:",omitempty"`
}

// A springing is what a trap did.
type springing struct {
	Act      string
	At       flight
	InFlight []flight `json:",omitempty"`
}

// An attempt is one transaction.
type attempt struct {
	Who          string
	N            int
	Began, Ended int64  // by monotonic; 0: it did not end
	Outcome      string // one of those of the storm; undone on purpose is failed
	Err          string `json:",omitempty"`
}

func (a attempt) name() string { return fmt.Sprint(a.Who, " ", a.N) }

func fenceWorker() error {
	var s fenceSettings
	if err := settings(&s); err != nil {
		return err
	}
	theWire = newWire(s.Lazy, s.Pages)
	w := &fenced{fenceSettings: s, rng: rand.New(rand.NewPCG(s.Seed, 0))}
	return listen(w.obey)
}

// A fenced process works for the bank.
type fenced struct {
	fenceSettings
	rng   *rand.Rand
	order fenceOrder // by which the database was opened
	db    *sql.DB
	n     int // of the last transaction

	resting atomic.Bool
	waits   context.Context // ends when it has to rest
	rest    context.CancelFunc
	work    sync.WaitGroup
}

func (w *fenced) obey(o fenceOrder) {
	switch o.Do {
	case "open":
		w.order = o
		theWire.latency = 0
		if o.Slow {
			theWire.latency = time.Millisecond
		}
		w.tell("open", w.reopen())
	case "prepare":
		w.tell("prepare", w.prepare())
	case "work":
		w.resting.Store(false)
		w.waits, w.rest = context.WithCancel(context.Background())
		w.work.Go(func() {
			for !w.resting.Load() {
				w.transact()
			}
		})
	case "rest":
		go func() { // orders go on meanwhile, such as to let an operation pass
			w.stop()
			w.tell("rest", w.close())
		}()
	case "audit":
		a, err := w.audit()
		if w.order.Holds {
			w.close() // or else nobody would ever come in
		}
		say(fenceEvent{Done: "audit", Audit: a, Err: text(err)})
	case "trap":
		theWire.set(o.Trap)
	case "pass":
		theWire.pass()
	}
}

func (w *fenced) tell(done string, err error) {
	say(fenceEvent{Done: done, Err: text(err), Span: theWire.span()})
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func (w *fenced) stop() {
	w.resting.Store(true)
	if w.rest != nil {
		w.rest()
	}
	w.work.Wait()
}

func (w *fenced) close() error {
	if w.db == nil {
		return nil
	}
	err := w.db.Close()
	w.db = nil
	return err
}

// reopen opens the database, as it was opened last unless another order came.
func (w *fenced) reopen() error {
	if err := w.close(); err != nil {
		return err
	}
	var o holdfast.Options
	if w.order.Wired {
		o.FS = theWire
	}
	db, err := holdfast.Open(w.order.DSN, o)
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	w.db = db
	return nil
}

// transact does one transaction, and says when it begins and how it ends.
func (w *fenced) transact() {
	w.n++
	a := attempt{Who: w.Name, N: w.n, Began: monotonic()}
	say(fenceEvent{Begin: &a})
	err := w.try(a)
	a.Ended = monotonic()
	switch {
	case err == nil:
		a.Outcome = outcomeOK
	case errors.As(err, new(undone)):
		a.Outcome = outcomeFailed
	default:
		a.Outcome = outcomeUnknown
	}
	a.Err = text(err)
	say(fenceEvent{End: &a, Span: theWire.span()})
	failed := err != nil && !errors.Is(err, errOnPurpose)
	switch {
	case failed && w.order.Once:
		w.resting.Store(true)
	case w.order.Holds && !w.order.Once && (failed || w.rng.IntN(5) == 0):
		// A connection keeps what it got, and others out, until it is closed.
		w.close()
		time.Sleep(between(w.rng, 0, 20*time.Millisecond))
		w.reopen()
	}
}

var errOnPurpose = errors.New("rolled back on purpose")

// try takes a connection for one transaction.
func (w *fenced) try(a attempt) error {
	c, err := w.db.Conn(w.waits)
	if err != nil {
		return undone{err}
	}
	defer c.Close()
	if _, err := c.ExecContext(w.waits, `BEGIN IMMEDIATE`); err != nil {
		return undone{err}
	}
	ctx := context.Background()
	if err := w.transfer(ctx, c, a); err != nil {
		c.ExecContext(ctx, `ROLLBACK`)
		return undone{err}
	}
	_, err = c.ExecContext(ctx, `COMMIT`)
	if errors.Is(err, sqlite3.BUSY) {
		c.ExecContext(ctx, `ROLLBACK`)
		return undone{err}
	}
	return err
}
