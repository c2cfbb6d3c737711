//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/holdfastdb/holdfast/internal/netlab/guest/wire"
)

// An agent obeys the requests of one boot. Requests come one at a time; processes report from goroutines of their own.
type agent struct {
	boot string

	sending sync.Mutex
	to      io.Writer

	mu        sync.Mutex
	processes map[int64]*process // guarded by mu
}

// obey does what r asks. Nothing here waits for a process, so one that is stuck on a dead mount holds up nobody else.
func (a *agent) obey(r wire.Request) {
	switch r.Op {
	case wire.OpPing:
		a.reply(r.ID, nil)
	case wire.OpPut:
		a.reply(r.ID, put(r))
	case wire.OpStart:
		a.start(r)
	case wire.OpInput:
		if p := a.process(r.Process); p != nil {
			p.input.add(r.Data, r.Last)
		}
	case wire.OpSignal:
		if p := a.process(r.Process); p != nil {
			// The whole process group, so that a shell does not outlive what it started, nor the other way round. That it is
			// gone already is no error: its exit is on the way.
			syscall.Kill(-p.pid, syscall.Signal(r.Signal))
		}
	default:
		a.reply(r.ID, fmt.Errorf("no operation %q", r.Op))
	}
}

// put appends a chunk. The old file is removed first: it may be a program that runs, which cannot be written to.
func put(r wire.Request) error {
	if r.First {
		if err := os.MkdirAll(filepath.Dir(r.Path), 0o755); err != nil {
			return err
		}
		if err := os.Remove(r.Path); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	f, err := os.OpenFile(r.Path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, os.FileMode(r.Mode))
	if err != nil {
		return err
	}
	if _, err := f.Write(r.Data); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

func (a *agent) process(id int64) *process {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.processes[id]
}

func (a *agent) reply(id int64, err error) {
	a.send(wire.Event{Kind: wire.KindReply, ID: id, Err: text(err)})
}

// send never fails: if the port is gone, so is the host, and listen ends the program.
func (a *agent) send(e wire.Event) {
	e.Boot = a.boot
	line, err := json.Marshal(e)
	if err != nil {
		panic(err) // an Event holds nothing that cannot be marshalled
	}
	a.sending.Lock()
	defer a.sending.Unlock()
	if _, err := a.to.Write(append(line, '\n')); err != nil {
		fmt.Fprintln(os.Stderr, "guest: port:", err)
	}
}
