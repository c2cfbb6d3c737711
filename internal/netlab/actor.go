//go:build linux

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/holdfastdb/holdfast/internal/netlab/workload"
)

// An actor is a program on a client that does one thing at a time on one connection, and
// can be held in the middle of it.
type actor struct {
	*process
	pair   *pair
	client int
	how    *workload.Open
	rng    *rand.Rand
	writer string // of its rows
	n      int    // of its last row

	over chan struct{}      // closed when what was begun is over
	came workload.Operation // settled when over is closed; the zero value if it was no append
}

// stageConn is the connection of an actor.
const stageConn = "stage"

func newActor(p *pair, client int) *actor {
	a := &actor{process: p.procs[client], pair: p, client: client, how: p.open(), writer: p.history.Writer()}
	a.rng = rand.New(rand.NewPCG(p.seed, uint64(client)))
	a.how.Without = slices.Concat(a.how.Without, p.bare[client])
	return a
}

// open opens the connection, and tries again as programs do.
func (a *actor) open(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, a.pair.lab.patience()+workerBound)
	defer cancel()
	return a.pair.openedAs(ctx, a.process, stageConn, a.how)
}

// close closes the connection, and with it the database.
func (a *actor) close(ctx context.Context) error {
	_, err := a.Must(ctx, workload.Command{Do: workload.DoClose, Conn: stageConn})
	return err
}

// append does one transaction. All books have their turn.
func (a *actor) append(ctx context.Context) workload.Operation {
	ctx, cancel := context.WithTimeout(ctx, hangBound)
	defer cancel()
	a.n++
	from := a.rng.IntN(workload.Accounts)
	return a.pair.history.Append(ctx, a.Client, stageConn, opLimit, workload.Append{
		Writer: a.writer, N: a.n, Book: a.n % workload.Books, Amount: 1 + a.rng.IntN(100),
		From: from, To: (from + 1 + a.rng.IntN(workload.Accounts-1)) % workload.Accounts,
	})
}

// look looks at everything, if it is deep.
func (a *actor) look(ctx context.Context, deep bool) workload.Operation {
	ctx, cancel := context.WithTimeout(ctx, hangBound)
	defer cancel()
	return a.pair.history.Read(ctx, a.Client, stageConn, opLimit, workload.Read{Deep: deep})
}

// read looks at everything, which has to succeed.
func (a *actor) read(ctx context.Context) error {
	if o := a.look(ctx, true); o.Outcome != workload.OK {
		return fmt.Errorf("%v: %s", &o, o.Err)
	}
	return nil
}

// commits does some transactions, and tries again as a program does that is told that
// its lease is lost or somebody else has the database.
func (a *actor) commits(ctx context.Context, n int) error {
	for began := time.Now(); n > 0; {
		o := a.append(ctx)
		waited := time.Since(began)
		switch {
		case o.Why == workload.KindCorrupt, o.Why == workload.KindNoAnswer, o.Why == workload.KindUsage:
			return fmt.Errorf("%v: %s", &o, o.Err)
		case waited > a.pair.lab.patience():
			return fmt.Errorf("%w for %v: %v: %s", errHung, waited.Round(time.Second), &o, o.Err)
		case o.Outcome != workload.OK:
			if err := sleep(ctx, time.Second/5); err != nil {
				return err
			}
			continue
		}
		a.pair.waited = max(a.pair.waited, waited)
		began = time.Now()
		n--
	}
	return nil
}

// errHung is that of somebody who waited for longer than anybody has to.
var errHung = errors.New("it hung")

// begin begins something that ended waits for.
func (a *actor) begin(do func() workload.Operation) {
	over := make(chan struct{})
	a.over = over
	a.pair.begun.Go(func() {
		defer close(over)
		a.came = do()
	})
}

func (a *actor) beginAppend(ctx context.Context) {
	a.begin(func() workload.Operation { return a.append(ctx) })
}

func (a *actor) beginRead(ctx context.Context) {
	a.begin(func() workload.Operation { return a.look(ctx, false) })
}

// beginClose begins to close the database.
func (a *actor) beginClose(ctx context.Context) {
	a.begin(func() workload.Operation {
		ctx, cancel := context.WithTimeout(ctx, hangBound)
		defer cancel()
		if err := a.close(ctx); err != nil {
			a.pair.lab.sayf("%v: %v", a.pair, err)
		}
		return workload.Operation{}
	})
}

// ended waits until what was begun is over, in whatever way.
func (a *actor) ended(ctx context.Context) error {
	select {
	case <-a.over:
		a.pair.lab.sayf("%v: %v: %s", a.pair, &a.came, a.came.Err)
		return nil
	case <-time.After(hangBound):
		return fmt.Errorf("%w: what the program on %v was in did not end within %v", errHung, a.process, hangBound)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// trapID names the trap that holds an actor. There is one at a time.
const trapID = "stage"

// trap sets a trap in place of the one before, which lets go.
func (a *actor) trap(ctx context.Context, t workload.Trap) error {
	t.ID = trapID
	ctx, cancel := context.WithTimeout(ctx, workerBound)
	defer cancel()
	_, err := a.Must(ctx, workload.Command{Do: workload.DoTrap, Trap: &t})
	return err
}

// letGo takes the trap away. What it holds goes on.
func (a *actor) letGo(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, workerBound)
	defer cancel()
	_, err := a.Must(ctx, workload.Command{Do: workload.DoGo, Trap: &workload.Trap{ID: trapID}})
	return err
}

var errOver = errors.New("it was over before")

// trapped waits until the trap holds what was begun. It reports whether it does: that
// may be over before.
func (a *actor) trapped(ctx context.Context) (held bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, a.pair.lab.patience()+workerBound)
	defer cancel()
	ctx, over := context.WithCancelCause(ctx)
	defer over(nil)
	go func() {
		select {
		case <-a.over:
			over(errOver)
		case <-ctx.Done():
		}
	}()
	e, err := a.Trapped(ctx, trapID)
	switch {
	case err == nil:
		a.pair.lab.sayf("%v: %v: %v", a.pair, a.process, e)
		return true, nil
	case errors.Is(err, errOver):
		return false, nil
	}
	return false, err
}

// A point is where a transaction is to be held: at the last of its traps, each of which
// is set while the one before holds it.
type point func(mode, file string) []workload.Trap

// hold begins something and waits until it is held at a point.
func (a *actor) hold(ctx context.Context, at point, begin func(context.Context)) error {
	file, err := a.file(ctx)
	if err != nil {
		return err
	}
	for i, t := range at(a.pair.mode, file) {
		if err := a.trap(ctx, t); err != nil {
			return err
		}
		if i == 0 {
			begin(ctx)
		}
		held, err := a.trapped(ctx)
		if err != nil {
			return err
		}
		if !held {
			return unmet("no %v of %s: %v: %s", t.Ops, t.Name, &a.came, a.came.Err)
		}
	}
	return nil
}

// file returns the name of the file that is the database now.
func (a *actor) file(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, workerBound)
	defer cancel()
	reply, err := a.Must(ctx, workload.Command{Do: workload.DoStatus, Conn: stageConn})
	if err != nil {
		return "", err
	}
	return cmp.Or(reply.Status.File, plainName), nil
}

// plainName is that of the database.
const plainName = "app.db"

// kill kills the program. What it was in may go on in its kernel.
func (a *actor) kill() error {
	a.pair.procs[a.client] = nil
	return a.process.kill()
}
