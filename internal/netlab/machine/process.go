//go:build linux

package machine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"syscall"

	"github.com/holdfastdb/holdfast/internal/netlab/guest/wire"
)

// ErrGone is returned for a process or a call whose machine was reset, switched off or closed meanwhile.
var ErrGone = errors.New("the machine is gone")

const (
	maxUnread = 64 << 20  // of a process's standard output
	maxUntook = 16 << 20  // of a process's standard input
	maxStderr = 256 << 10 // kept of its standard error
)

// A Process is a program that runs in a machine. Its Stdout must be read, or end within 64 MiB.
type Process struct {
	Stdin  io.WriteCloser // never blocks; fails if the process leaves more than 16 MiB unread
	Stdout io.Reader      // what it prints, as it comes; io.EOF when the process has ended, an [ErrGone] if its machine has
	Pid    int

	id      int64
	name    string // for messages
	agent   *agent
	session *session
	stdout  *pipe
	done    chan struct{} // closed when it has ended
	code    int           // to be read after done
	err     error         // to be read after done

	mu     sync.Mutex
	stderr tail // guarded by mu
	untook int  // bytes of input sent and not taken; guarded by mu
}

// Start starts a program with its arguments; env, of the form NAME=VALUE, is added to the machine's environment. The process goes on
// when ctx ends.
func (m *Machine) Start(ctx context.Context, argv []string, env ...string) (*Process, error) {
	p, err := m.start(ctx, argv, env)
	if err != nil {
		return nil, m.wrap(fmt.Errorf("start %q: %w", argv, err))
	}
	return p, nil
}

func (m *Machine) start(ctx context.Context, argv, env []string) (*Process, error) {
	if len(argv) == 0 {
		return nil, errors.New("no program")
	}
	in, err := m.running()
	if err != nil {
		return nil, err
	}
	a := in.agent
	p := &Process{name: m.name, agent: a, stdout: newPipe(), done: make(chan struct{}), stderr: tail{max: maxStderr}}
	p.Stdin, p.Stdout = stdin{p}, p.stdout

	reply := make(chan wire.Event, 1)
	a.mu.Lock()
	s := a.session
	a.lastID++
	p.id, p.session = a.lastID, s
	s.replies[p.id], s.processes[p.id] = reply, p
	err = a.sendLocked(s, wire.Request{ID: p.id, Op: wire.OpStart, Argv: argv, Env: env})
	a.mu.Unlock()

	var e wire.Event
	if err == nil {
		e, err = a.await(ctx, s, p.id, reply)
	}
	if err != nil {
		p.Signal(syscall.SIGKILL) // the answer may only be late
		a.mu.Lock()
		delete(s.processes, p.id)
		a.mu.Unlock()
		return nil, err
	}
	p.Pid = e.Pid
	return p, nil
}

// Signal sends a signal to the process and all its children. It does not wait; what is asked of the machine afterwards happens
// after the signal was sent. That the process has ended is no error.
func (p *Process) Signal(sig syscall.Signal) error {
	err := p.agent.send(p.session, wire.Request{Op: wire.OpSignal, Process: p.id, Signal: int(sig)})
	if err != nil {
		return p.wrap(err)
	}
	return nil
}

// Wait waits until the process has ended and returns its exit status, or 128 and the signal that ended it. If its machine is reset
// or switched off before, the error is an [ErrGone]. A machine that is paused does not report: ctx bounds the wait.
func (p *Process) Wait(ctx context.Context) (int, error) {
	if err := p.wait(ctx); err != nil {
		return 0, p.wrap(err)
	}
	return p.code, nil
}

func (p *Process) wait(ctx context.Context) error {
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		return fmt.Errorf("it runs still: %w", context.Cause(ctx))
	}
}

// wrap names the process in an error.
func (p *Process) wrap(err error) error {
	return fmt.Errorf("machine: %s: process %d: %w", p.name, p.Pid, err)
}

// Stderr returns the last 256 KiB of what the process has printed to its standard error until now.
func (p *Process) Stderr() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stderr.String()
}

// hear acts on an event of this process, and tells if it was the last one.
func (p *Process) hear(e wire.Event) (last bool) {
	switch e.Kind {
	case wire.KindOutput:
		if e.Stderr {
			p.mu.Lock()
			p.stderr.Write(e.Data)
			p.mu.Unlock()
		} else {
			p.stdout.add(e.Data)
		}
	case wire.KindTaken:
		p.mu.Lock()
		p.untook -= e.Count
		p.mu.Unlock()
	case wire.KindExit:
		p.code = e.Code
		if e.Err != "" {
			p.err = errors.New(e.Err)
		}
		p.stdout.end(io.EOF)
		close(p.done)
		return true
	}
	return false
}

// end ends the process because its machine is gone.
func (p *Process) end(why error) {
	p.err = why
	p.stdout.end(p.wrap(why))
	close(p.done)
}

// stdin is the standard input of a process.
type stdin struct{ p *Process }

// Write sends b and returns at once.
func (i stdin) Write(b []byte) (int, error) {
	p := i.p
	p.mu.Lock()
	full := p.untook+len(b) > maxUntook
	if !full {
		p.untook += len(b)
	}
	p.mu.Unlock()
	if full {
		return 0, p.wrap(errStuck)
	}
	n := 0
	for chunk := range chunks(b) {
		if err := p.agent.send(p.session, wire.Request{Op: wire.OpInput, Process: p.id, Data: chunk}); err != nil {
			return n, p.wrap(err)
		}
		n += len(chunk)
	}
	return n, nil
}

// Close lets the process read to the end of its input.
func (i stdin) Close() error {
	return i.p.agent.send(i.p.session, wire.Request{Op: wire.OpInput, Process: i.p.id, Last: true})
}

// chunks cuts b into pieces of the size that one message carries.
func chunks(b []byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(b) > 0 {
			n := min(len(b), wire.MaxChunk)
			if !yield(b[:n]) {
				return
			}
			b = b[n:]
		}
	}
}

// A pipe is a buffer that one goroutine fills without ever waiting, and another empties.
type pipe struct {
	mu   sync.Mutex
	some *sync.Cond
	data bytes.Buffer // guarded by mu
	err  error        // what comes after data; guarded by mu
}

func newPipe() *pipe {
	p := &pipe{}
	p.some = sync.NewCond(&p.mu)
	return p
}

// Read waits for data, or returns the error that the pipe was ended with.
func (p *pipe) Read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.data.Len() == 0 && p.err == nil {
		p.some.Wait()
	}
	if p.data.Len() == 0 {
		return 0, p.err
	}
	return p.data.Read(b)
}

func (p *pipe) add(b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.err != nil:
	case p.data.Len()+len(b) > maxUnread:
		p.err = fmt.Errorf("machine: more than %d MiB of output were not read", maxUnread>>20)
	default:
		p.data.Write(b)
	}
	p.some.Broadcast()
}

func (p *pipe) end(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
	}
	p.some.Broadcast()
}

// A tail keeps the last max bytes that are written to it.
type tail struct {
	max  int
	data []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.data = append(t.data, b...)
	if len(t.data) > 2*t.max {
		t.data = append([]byte(nil), t.data[len(t.data)-t.max:]...)
	}
	return len(b), nil
}

func (t *tail) String() string { return string(t.data[max(0, len(t.data)-t.max):]) }
