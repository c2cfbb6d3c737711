//go:build linux

package machine

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/holdfastdb/holdfast/internal/netlab/guest/wire"
)

var errStuck = errors.New("the machine does not take what is sent to it")

// An agent speaks with the guest program of one machine. It outlives resets: each boot of the machine has a session of its own.
type agent struct {
	conn net.Conn
	out  chan []byte    // lines on their way; a machine that is paused takes none
	done chan struct{}  // closed by close
	both sync.WaitGroup // the goroutines that read and write

	mu      sync.Mutex
	session *session // guarded by mu
	lastID  int64    // guarded by mu
}

// A session is one boot of a machine, from before its first word until the machine is reset or switched off.
type session struct {
	boot  string        // "" until the machine has said hello; guarded by agent.mu
	ready chan struct{} // closed when the machine's setup has ended
	fault error         // of the setup; to be read after ready
	gone  chan struct{} // closed when the session has ended
	why   error         // it has ended; to be read after gone

	replies   map[int64]chan wire.Event // guarded by agent.mu
	processes map[int64]*Process        // guarded by agent.mu
}

func newSession() *session {
	return &session{
		ready:     make(chan struct{}),
		gone:      make(chan struct{}),
		replies:   map[int64]chan wire.Event{},
		processes: map[int64]*Process{},
	}
}

func newAgent(conn net.Conn) *agent {
	a := &agent{conn: conn, out: make(chan []byte, 1024), done: make(chan struct{}), session: newSession()}
	a.both.Go(a.speak)
	a.both.Go(a.listen)
	return a
}

// close ends the conversation; the session must have been ended.
func (a *agent) close() {
	close(a.done)
	a.conn.Close()
	a.both.Wait()
}

func (a *agent) speak() {
	for {
		select {
		case line := <-a.out:
			if _, err := a.conn.Write(line); err != nil {
				return // QEMU has ended, which its owner sees by itself
			}
		case <-a.done:
			return
		}
	}
}

func (a *agent) listen() {
	lines := bufio.NewReaderSize(a.conn, 64<<10)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var e wire.Event
		if json.Unmarshal(line, &e) == nil { // else it is half a line, cut by a reset
			a.hear(e)
		}
	}
}

// hear acts on one event. It never blocks: what a process prints is buffered.
func (a *agent) hear(e wire.Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if e.Kind == wire.KindHello {
		a.hello(e.Boot)
	}
	s := a.session
	if e.Boot != s.boot {
		return // from before the reset
	}
	switch e.Kind {
	case wire.KindReady:
		if e.Err != "" {
			s.fault = errors.New("setup: " + e.Err)
		}
		close(s.ready)
	case wire.KindReply:
		if reply := s.replies[e.ID]; reply != nil {
			delete(s.replies, e.ID)
			reply <- e
		}
	default:
		if p := s.processes[e.ID]; p != nil && p.hear(e) {
			delete(s.processes, e.ID)
		}
	}
}

// hello begins a boot. If none was expected, the machine has rebooted by itself. It is called with mu held.
func (a *agent) hello(boot string) {
	if a.session.boot != "" {
		a.endLocked(fmt.Errorf("%w: it has rebooted by itself", ErrGone))
		a.session = newSession()
	}
	a.session.boot = boot
}

// reset ends the session because of why, and begins to wait for the next boot.
func (a *agent) reset(why error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.endLocked(why)
	a.session = newSession()
}

// end ends the session because of why; there is no next one.
func (a *agent) end(why error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.endLocked(why)
}

func (a *agent) endLocked(why error) {
	s := a.session
	select {
	case <-s.gone:
		return
	default:
	}
	s.why = why
	close(s.gone)
	for _, p := range s.processes {
		p.end(why)
	}
	clear(s.processes)
}

// waitReady waits until the present boot's setup has ended.
func (a *agent) waitReady(ctx context.Context) error {
	a.mu.Lock()
	s := a.session
	a.mu.Unlock()
	select {
	case <-s.ready:
		return s.fault
	case <-s.gone:
		return s.why
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// request sends r and waits for the reply.
func (a *agent) request(ctx context.Context, r wire.Request) (wire.Event, error) {
	reply := make(chan wire.Event, 1)
	a.mu.Lock()
	s := a.session
	a.lastID++
	r.ID = a.lastID
	s.replies[r.ID] = reply
	err := a.sendLocked(s, r)
	a.mu.Unlock()
	if err != nil {
		return wire.Event{}, err
	}
	return a.await(ctx, s, r.ID, reply)
}

// await waits for the reply to the request id.
func (a *agent) await(ctx context.Context, s *session, id int64, reply chan wire.Event) (wire.Event, error) {
	select {
	case e := <-reply:
		if e.Err != "" {
			return e, errors.New(e.Err)
		}
		return e, nil
	case <-s.gone:
		return wire.Event{}, s.why
	case <-ctx.Done():
		a.mu.Lock()
		delete(s.replies, id)
		a.mu.Unlock()
		return wire.Event{}, fmt.Errorf("no answer: %w", context.Cause(ctx))
	}
}

// send sends r without waiting for anything.
func (a *agent) send(s *session, r wire.Request) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.sendLocked(s, r)
}

func (a *agent) sendLocked(s *session, r wire.Request) error {
	select {
	case <-s.gone:
		return s.why
	default:
	}
	r.Boot = s.boot
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	select {
	case a.out <- append(line, '\n'):
		return nil
	default:
		return errStuck
	}
}
