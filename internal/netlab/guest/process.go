//go:build linux

package main

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/holdfastdb/holdfast/internal/netlab/guest/wire"
)

// A process is a program that the host has started.
type process struct {
	pid   int
	input *input
}

// start answers with the process's number as soon as it runs, and reports its exit when all its output was sent.
func (a *agent) start(r wire.Request) {
	c := exec.Command(r.Argv[0], r.Argv[1:]...)
	c.Env = append(os.Environ(), r.Env...)
	c.Dir = "/"
	c.Stdout, c.Stderr = &output{a: a, id: r.ID}, &output{a: a, id: r.ID, stderr: true}
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// A child that was left behind may hold the output open for ever.
	c.WaitDelay = 2 * time.Second
	stdin, err := c.StdinPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		a.reply(r.ID, err)
		return
	}
	p := &process{pid: c.Process.Pid, input: newInput()}
	a.mu.Lock()
	a.processes[r.ID] = p
	a.mu.Unlock()
	a.send(wire.Event{Kind: wire.KindReply, ID: r.ID, Pid: p.pid})

	go p.input.feed(stdin, func(n int) { a.send(wire.Event{Kind: wire.KindTaken, ID: r.ID, Count: n}) })
	go func() {
		err := c.Wait()
		p.input.add(nil, true)
		a.mu.Lock()
		delete(a.processes, r.ID)
		a.mu.Unlock()
		a.send(wire.Event{Kind: wire.KindExit, ID: r.ID, Code: code(c.ProcessState), Err: unexpected(err)})
	}()
}

// unexpected is what went wrong other than the program's own exit status and output that a child of it still holds.
func unexpected(err error) string {
	if _, ok := errors.AsType[*exec.ExitError](err); ok || errors.Is(err, exec.ErrWaitDelay) {
		return ""
	}
	return text(err)
}

// code is the exit status as a shell reports it.
func code(s *os.ProcessState) int {
	if w, ok := s.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return 128 + int(w.Signal())
	}
	return s.ExitCode()
}

// output sends what a process writes.
type output struct {
	a      *agent
	id     int64
	stderr bool
}

func (o *output) Write(b []byte) (int, error) {
	o.a.send(wire.Event{Kind: wire.KindOutput, ID: o.id, Stderr: o.stderr, Data: b})
	return len(b), nil
}

// input is what a process has not read yet. The host bounds it: it counts what was taken.
type input struct {
	mu    sync.Mutex
	some  *sync.Cond
	data  []byte // guarded by mu
	ended bool   // guarded by mu
}

func newInput() *input {
	i := &input{}
	i.some = sync.NewCond(&i.mu)
	return i
}

// add appends b, and ends the input after it if last.
func (i *input) add(b []byte, last bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.ended {
		i.data = append(i.data, b...)
	}
	i.ended = i.ended || last
	i.some.Signal()
}

// feed writes to w until the end of the input, or until nobody reads it any more.
func (i *input) feed(w io.WriteCloser, taken func(int)) {
	defer w.Close()
	for {
		b, ended := i.next()
		if len(b) > 0 {
			if _, err := w.Write(b); err != nil {
				return
			}
			taken(len(b))
		}
		if ended {
			return
		}
	}
}

// next waits for input and takes all there is; ended tells that no more will come.
func (i *input) next() (b []byte, ended bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for len(i.data) == 0 && !i.ended {
		i.some.Wait()
	}
	b, i.data = i.data, nil
	return b, i.ended
}
