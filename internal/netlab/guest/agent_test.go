//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfastdb/holdfast/internal/netlab/guest/wire"
)

// A host talks to an agent as the lab does, through pipes.
type host struct {
	t      *testing.T
	to     io.Writer
	events chan wire.Event
}

func newHost(t *testing.T) *host {
	fromHost, toAgent := io.Pipe()
	fromAgent, toHost := io.Pipe()
	h := &host{t: t, to: toAgent, events: make(chan wire.Event, 100)}
	a := &agent{boot: "now", to: toHost, processes: map[int64]*process{}}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		a.listen(fromHost)
	}()
	go func() {
		for s := bufio.NewScanner(fromAgent); s.Scan(); {
			var e wire.Event
			if err := json.Unmarshal(s.Bytes(), &e); err != nil {
				t.Error(err)
			}
			h.events <- e
		}
	}()
	t.Cleanup(func() {
		toAgent.Close()
		<-ended
		toHost.Close()
	})
	return h
}

func (h *host) send(r wire.Request) {
	h.t.Helper()
	if r.Boot == "" {
		r.Boot = "now"
	}
	if err := json.NewEncoder(h.to).Encode(r); err != nil {
		h.t.Fatal(err)
	}
}

// next is the next event, without the number of the process, which is of no interest.
func (h *host) next() wire.Event {
	h.t.Helper()
	select {
	case e := <-h.events:
		if e.Pid < 0 || e.Boot != "now" {
			h.t.Errorf("event %+v", e)
		}
		e.Pid, e.Boot = 0, ""
		return e
	case <-time.After(20 * time.Second):
		h.t.Fatal("no event")
		panic("unreachable")
	}
}

func (h *host) expect(want ...wire.Event) {
	h.t.Helper()
	for _, w := range want {
		if diff := cmp.Diff(w, h.next()); diff != "" {
			h.t.Fatalf("event (-want +got):\n%s", diff)
		}
	}
}

func TestOutputComesAsItIsWritten(t *testing.T) {
	h := newHost(t)
	h.send(wire.Request{ID: 7, Op: wire.OpStart, Argv: []string{"sh", "-c", `while read x; do echo "$x$A"; done; echo end >&2; exit 3`}, Env: []string{"A=!"}})
	h.expect(wire.Event{Kind: wire.KindReply, ID: 7})
	for range 2 { // each line only after the one before was answered
		h.send(wire.Request{ID: 8, Op: wire.OpInput, Process: 7, Data: []byte("line\n")})
		events := map[wire.Kind]wire.Event{}
		for range 2 { // in whatever order
			e := h.next()
			events[e.Kind] = e
		}
		want := map[wire.Kind]wire.Event{
			wire.KindTaken:  {Kind: wire.KindTaken, ID: 7, Count: 5},
			wire.KindOutput: {Kind: wire.KindOutput, ID: 7, Data: []byte("line!\n")},
		}
		if diff := cmp.Diff(want, events); diff != "" {
			t.Fatalf("events (-want +got):\n%s", diff)
		}
	}
	h.send(wire.Request{ID: 9, Op: wire.OpInput, Process: 7, Last: true})
	h.expect(
		wire.Event{Kind: wire.KindOutput, ID: 7, Stderr: true, Data: []byte("end\n")},
		wire.Event{Kind: wire.KindExit, ID: 7, Code: 3},
	)
}

func TestProgramThatCannotStart(t *testing.T) {
	h := newHost(t)
	h.send(wire.Request{ID: 1, Op: wire.OpStart, Argv: []string{"/no/such/program"}})
	h.expect(wire.Event{Kind: wire.KindReply, ID: 1, Err: "fork/exec /no/such/program: no such file or directory"})
}

func TestSignalReachesChildren(t *testing.T) {
	h := newHost(t)
	h.send(wire.Request{ID: 1, Op: wire.OpStart, Argv: []string{"sh", "-c", "sleep 1000 & echo up; wait"}})
	events := map[wire.Kind]wire.Event{}
	for range 2 { // in whatever order
		e := h.next()
		events[e.Kind] = e
	}
	want := map[wire.Kind]wire.Event{
		wire.KindReply:  {Kind: wire.KindReply, ID: 1},
		wire.KindOutput: {Kind: wire.KindOutput, ID: 1, Data: []byte("up\n")},
	}
	if diff := cmp.Diff(want, events); diff != "" {
		t.Fatalf("events (-want +got):\n%s", diff)
	}
	began := time.Now()
	h.send(wire.Request{ID: 2, Op: wire.OpSignal, Process: 1, Signal: int(syscall.SIGKILL)})
	h.expect(wire.Event{Kind: wire.KindExit, ID: 1, Code: 128 + 9})
	// The child has the output open: had it lived on, the exit would have been reported only after WaitDelay.
	if d := time.Since(began); d > 1500*time.Millisecond {
		t.Errorf("ended after %s: the child lives", d)
	}
	h.send(wire.Request{ID: 3, Op: wire.OpSignal, Process: 1, Signal: int(syscall.SIGKILL)}) // nobody is there: no harm
	h.send(wire.Request{ID: 4, Op: wire.OpPing})
	h.expect(wire.Event{Kind: wire.KindReply, ID: 4})
}

func TestChildThatKeepsTheOutputOpenDoesNotHideTheExit(t *testing.T) {
	h := newHost(t)
	h.send(wire.Request{ID: 1, Op: wire.OpStart, Argv: []string{"sh", "-c", "sleep 30 & exit 4"}})
	h.expect(wire.Event{Kind: wire.KindReply, ID: 1}, wire.Event{Kind: wire.KindExit, ID: 1, Code: 4})
}

func TestProcessThatDoesNotReadHoldsUpNobody(t *testing.T) {
	h := newHost(t)
	h.send(wire.Request{ID: 1, Op: wire.OpStart, Argv: []string{"sleep", "1000"}})
	h.expect(wire.Event{Kind: wire.KindReply, ID: 1})
	for range 4 { // more than a pipe holds
		h.send(wire.Request{ID: 2, Op: wire.OpInput, Process: 1, Data: make([]byte, wire.MaxChunk)})
	}
	h.send(wire.Request{ID: 3, Op: wire.OpPing})
	h.expect(wire.Event{Kind: wire.KindReply, ID: 3})
	h.send(wire.Request{ID: 4, Op: wire.OpSignal, Process: 1, Signal: int(syscall.SIGTERM)})
	h.expect(wire.Event{Kind: wire.KindExit, ID: 1, Code: 128 + 15})
}

func TestPutInPieces(t *testing.T) {
	h := newHost(t)
	path := filepath.Join(t.TempDir(), "new", "file")
	put := func(first bool, data string) {
		t.Helper()
		h.send(wire.Request{ID: 1, Op: wire.OpPut, Path: path, Mode: 0o750, First: first, Data: []byte(data)})
		h.expect(wire.Event{Kind: wire.KindReply, ID: 1})
	}
	put(true, "old")
	put(true, "one ")
	put(false, "two")
	got, err := os.ReadFile(path)
	if err != nil || string(got) != "one two" {
		t.Errorf("read %q, %v", got, err)
	}
	if s, err := os.Stat(path); err != nil || s.Mode().Perm() != 0o750 {
		t.Errorf("mode %v, %v", s.Mode(), err)
	}
}

func TestWhatIsMeantForAnotherBootIsIgnored(t *testing.T) {
	h := newHost(t)
	path := filepath.Join(t.TempDir(), "file")
	h.send(wire.Request{Boot: "before", ID: 1, Op: wire.OpPut, Path: path, First: true})
	if _, err := io.WriteString(h.to, "half of a request\"}\n"); err != nil {
		t.Fatal(err)
	}
	h.send(wire.Request{ID: 2, Op: "no such"})
	h.expect(wire.Event{Kind: wire.KindReply, ID: 2, Err: `no operation "no such"`})
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("obeyed a request of another boot: %v", err)
	}
}
