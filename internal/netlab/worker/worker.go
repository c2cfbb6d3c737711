package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/holdfastdb/holdfast/internal/netlab/workload"
)

// A worker has connections, and what they share.
type worker struct {
	voice *voice
	traps *traps
	pools pools
	all   sync.WaitGroup // commands

	mu    sync.Mutex
	conns map[string]*conn // guarded by mu
}

func newWorker(v *voice) *worker {
	w := &worker{voice: v, conns: make(map[string]*conn)}
	w.traps = &traps{say: func(e workload.Event) { v.say(e) }}
	w.pools.traps = w.traps
	return w
}

// A conn is one connection. Its commands are done one after the other.
type conn struct {
	last chan struct{} // closed when the last command that was given is done; used by the reader of the input alone
	pool *pool         // nil while it is not open; used by the command that is being done
}

// errUsage is that of a command that makes no sense.
var errUsage = errors.New("worker: bad command")

// obey begins a command. It returns at once.
func (w *worker) obey(c workload.Command) {
	switch c.Do {
	case workload.DoTrap, workload.DoGo:
		// At once, so that whatever is said next meets the trap.
		w.voice.say(w.handle(c))
		return
	}
	if c.Conn == "" {
		w.voice.say(answer(c.ID, workload.Reply{}, fmt.Errorf("%w: %s needs a connection", errUsage, c.Do)))
		return
	}
	w.mu.Lock()
	k := w.conns[c.Conn]
	if k == nil {
		k = &conn{last: make(chan struct{})}
		close(k.last)
		w.conns[c.Conn] = k
	}
	w.mu.Unlock()
	before, done := k.last, make(chan struct{})
	k.last = done
	w.all.Go(func() {
		defer close(done)
		<-before
		w.voice.say(w.do(k, c))
	})
}

// handle sets a trap, or lets go what it holds.
func (w *worker) handle(c workload.Command) workload.Reply {
	if c.Trap == nil {
		return answer(c.ID, workload.Reply{}, fmt.Errorf("%w: %s of what?", errUsage, c.Do))
	}
	if c.Do == workload.DoTrap {
		return answer(c.ID, workload.Reply{}, w.traps.set(*c.Trap))
	}
	n, err := w.traps.letGo(c.Trap.ID)
	return answer(c.ID, workload.Reply{Count: n}, err)
}

// do does one command of a connection.
func (w *worker) do(k *conn, c workload.Command) workload.Reply {
	ctx := context.Background()
	if c.Limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.Limit)
		defer cancel()
	}
	began := time.Now()
	r, err := w.perform(ctx, k, c)
	r.Took = time.Since(began)
	return answer(c.ID, r, err)
}

func (w *worker) perform(ctx context.Context, k *conn, c workload.Command) (r workload.Reply, err error) {
	if c.Do == workload.DoOpen {
		return r, w.open(ctx, k, c)
	}
	if k.pool == nil {
		return r, fmt.Errorf("%w: connection %q is not open", errUsage, c.Conn)
	}
	switch c.Do {
	case workload.DoClose:
		p := k.pool
		k.pool = nil
		err = w.pools.leave(p)
	case workload.DoSetup:
		err = k.pool.setUp(ctx, c.MB)
	case workload.DoFill:
		err = k.pool.fill(ctx, c.MB)
	case workload.DoAppend:
		if c.Append == nil {
			return r, fmt.Errorf("%w: append of what?", errUsage)
		}
		err = k.pool.append(ctx, *c.Append)
	case workload.DoRead:
		r.Read, err = k.pool.read(ctx, c.Read != nil && c.Read.Deep)
	case workload.DoAudit:
		r.Audit, err = k.pool.audit(ctx)
	case workload.DoBench:
		if c.Bench == nil {
			return r, fmt.Errorf("%w: bench of what?", errUsage)
		}
		r.Bench, err = k.pool.bench(ctx, *c.Bench)
	case workload.DoStatus:
		r.Status, err = k.pool.status(ctx)
	default:
		err = fmt.Errorf("%w: it does not know %q", errUsage, c.Do)
	}
	return r, err
}

func (w *worker) open(ctx context.Context, k *conn, c workload.Command) error {
	switch {
	case c.Open == nil:
		return fmt.Errorf("%w: open what?", errUsage)
	case k.pool != nil:
		return fmt.Errorf("%w: connection %q is open", errUsage, c.Conn)
	}
	p, err := w.pools.enter(ctx, *c.Open)
	if err == nil {
		k.pool = p
	}
	return err
}

// end lets go what traps hold, waits for what was begun, and closes everything.
func (w *worker) end() {
	w.traps.end()
	w.all.Wait()
	w.pools.end()
}
