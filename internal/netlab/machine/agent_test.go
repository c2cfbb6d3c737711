//go:build linux

package machine

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfastdb/holdfast/internal/netlab/guest/wire"
)

// A guest is the far end of an agent, played by the test.
type guest struct {
	t     *testing.T
	conn  net.Conn
	lines *bufio.Reader
	boot  string
}

// newPair returns a machine without QEMU, its agent, and the guest it speaks with.
func newPair(t *testing.T) (*Machine, *agent, *guest) {
	near, far := net.Pipe()
	a := newAgent(near)
	m := &Machine{name: "client1", inst: &instance{agent: a}}
	t.Cleanup(func() {
		a.end(ErrGone)
		a.close()
		far.Close()
	})
	return m, a, &guest{t: t, conn: far, lines: bufio.NewReader(far)}
}

// up begins a boot.
func (g *guest) up(boot string) {
	g.t.Helper()
	g.boot = boot
	g.say(wire.Event{Kind: wire.KindHello})
	g.say(wire.Event{Kind: wire.KindReady})
	synctest.Wait()
}

func (g *guest) say(e wire.Event) {
	g.t.Helper()
	e.Boot = g.boot
	if err := json.NewEncoder(g.conn).Encode(e); err != nil {
		g.t.Fatal(err)
	}
}

// hear returns the next request.
func (g *guest) hear() wire.Request {
	g.t.Helper()
	line, err := g.lines.ReadBytes('\n')
	if err != nil {
		g.t.Fatal(err)
	}
	var r wire.Request
	if err := json.Unmarshal(line, &r); err != nil {
		g.t.Fatal(err)
	}
	if r.Boot != g.boot {
		g.t.Errorf("request %+v in boot %q", r, g.boot)
	}
	return r
}

// start has the machine start a program, and the guest play it.
func (g *guest) start(m *Machine) *Process {
	g.t.Helper()
	started := make(chan *Process)
	go func() {
		p, err := m.Start(g.t.Context(), []string{"program", "argument"}, "A=b")
		if err != nil {
			g.t.Error(err)
		}
		started <- p
	}()
	r := g.hear()
	want := wire.Request{Boot: g.boot, ID: r.ID, Op: wire.OpStart, Argv: []string{"program", "argument"}, Env: []string{"A=b"}}
	if diff := cmp.Diff(want, r); diff != "" {
		g.t.Errorf("request (-want +got):\n%s", diff)
	}
	g.say(wire.Event{Kind: wire.KindReply, ID: r.ID, Pid: 77})
	return <-started
}

func bubble(t *testing.T, f func(t *testing.T, m *Machine, a *agent, g *guest)) {
	synctest.Test(t, func(t *testing.T) {
		m, a, g := newPair(t)
		g.up("first")
		f(t, m, a, g)
	})
}

func TestProcessRunsAndEnds(t *testing.T) {
	bubble(t, func(t *testing.T, m *Machine, a *agent, g *guest) {
		p := g.start(m)
		go p.Stdin.Write([]byte("in"))
		if r := g.hear(); r.Op != wire.OpInput || r.Process != p.id || string(r.Data) != "in" {
			t.Errorf("request %+v", r)
		}
		g.say(wire.Event{Kind: wire.KindOutput, ID: p.id, Data: []byte("out")})
		b := make([]byte, 10)
		if n, err := p.Stdout.Read(b); string(b[:n]) != "out" || err != nil { // before the end
			t.Errorf("read %q, %v", b[:n], err)
		}
		g.say(wire.Event{Kind: wire.KindOutput, ID: p.id, Stderr: true, Data: []byte("err")})
		g.say(wire.Event{Kind: wire.KindExit, ID: p.id, Code: 5})
		code, err := p.Wait(t.Context())
		rest, readErr := io.ReadAll(p.Stdout)
		if code != 5 || err != nil || p.Pid != 77 || p.Stderr() != "err" || len(rest) > 0 || readErr != nil {
			t.Errorf("ended with %d, %v, pid %d, %q, %q, %v", code, err, p.Pid, p.Stderr(), rest, readErr)
		}
	})
}

func TestResetEndsProcessesAndIgnoresWhatTheySayLate(t *testing.T) {
	bubble(t, func(t *testing.T, m *Machine, a *agent, g *guest) {
		p := g.start(m)
		g.say(wire.Event{Kind: wire.KindOutput, ID: p.id, Data: []byte("last words")})
		synctest.Wait()
		a.reset(ErrGone)
		if _, err := p.Wait(t.Context()); !errors.Is(err, ErrGone) {
			t.Errorf("wait: %v, want %v", err, ErrGone)
		}
		if out, err := io.ReadAll(p.Stdout); string(out) != "last words" || !errors.Is(err, ErrGone) {
			t.Errorf("read %q, %v", out, err)
		}
		if _, err := p.Stdin.Write([]byte("x")); !errors.Is(err, ErrGone) {
			t.Errorf("write: %v", err)
		}
		if err := p.Signal(syscall.SIGKILL); !errors.Is(err, ErrGone) {
			t.Errorf("signal: %v", err)
		}

		g.say(wire.Event{Kind: wire.KindReady}) // the old boot, still on the way
		if _, err := io.WriteString(g.conn, `{"boot":"first","kind":"ou`+"\n"); err != nil {
			t.Fatal(err)
		}
		short, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := a.waitReady(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("ready by the word of the old boot: %v", err)
		}
		g.up("second")
		if err := a.waitReady(t.Context()); err != nil {
			t.Error(err)
		}
		g.start(m) // expects the new boot's name
	})
}

func TestRebootByItselfIsNoticed(t *testing.T) {
	bubble(t, func(t *testing.T, m *Machine, a *agent, g *guest) {
		p := g.start(m)
		g.up("second")
		if _, err := p.Wait(t.Context()); !errors.Is(err, ErrGone) || !strings.Contains(err.Error(), "rebooted by itself") {
			t.Errorf("wait: %v", err)
		}
		g.start(m)
	})
}

func TestSetupThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a, g := newPair(t)
		g.boot = "first"
		g.say(wire.Event{Kind: wire.KindHello})
		g.say(wire.Event{Kind: wire.KindReady, Err: "exit status 1"})
		if err := a.waitReady(t.Context()); err == nil || err.Error() != "setup: exit status 1" {
			t.Errorf("ready: %v", err)
		}
	})
}

func TestPausedMachineKeepsNobodyBeyondTheContext(t *testing.T) {
	bubble(t, func(t *testing.T, m *Machine, a *agent, g *guest) {
		p := g.start(m) // from here on the guest hears and says nothing
		began := time.Now()
		short, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := m.Run(short, "true"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("run: %v", err)
		}
		if _, err := p.Wait(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("wait: %v", err)
		}
		var err error
		written := 0
		for err == nil && written <= 2*maxUntook {
			_, err = p.Stdin.Write(make([]byte, 1<<20))
			written += 1 << 20
		}
		if !errors.Is(err, errStuck) || written != maxUntook+1<<20 {
			t.Errorf("after %d bytes: %v", written, err)
		}
		sent := 0
		for err = nil; err == nil && sent < 2*cap(a.out); sent++ {
			err = p.Signal(syscall.SIGKILL)
		}
		if !errors.Is(err, errStuck) {
			t.Errorf("after %d signals: %v", sent, err)
		}
		if d := time.Since(began); d != time.Minute {
			t.Errorf("all this took %s", d)
		}
	})
}

func TestInputThatIsTakenMakesRoom(t *testing.T) {
	bubble(t, func(t *testing.T, m *Machine, a *agent, g *guest) {
		p := g.start(m)
		go io.Copy(io.Discard, g.conn)
		for range 3 {
			if _, err := p.Stdin.Write(make([]byte, maxUntook)); err != nil {
				t.Fatal(err)
			}
			g.say(wire.Event{Kind: wire.KindTaken, ID: p.id, Count: maxUntook})
			synctest.Wait()
		}
	})
}

func TestStartThatIsGivenUpIsKilled(t *testing.T) {
	bubble(t, func(t *testing.T, m *Machine, a *agent, g *guest) {
		short, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := m.Start(short, []string{"late"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("start: %v", err)
		}
		start, kill := g.hear(), g.hear()
		if start.Op != wire.OpStart || kill.Op != wire.OpSignal || kill.Process != start.ID || kill.Signal != int(syscall.SIGKILL) {
			t.Errorf("requests %+v, %+v", start, kill)
		}
	})
}

func TestOutputThatNobodyReadsIsBounded(t *testing.T) {
	p := newPipe()
	for range maxUnread>>20 + 1 {
		p.add(make([]byte, 1<<20))
	}
	p.end(io.EOF)
	out, err := io.ReadAll(p)
	if len(out) != maxUnread || err == nil || !strings.Contains(err.Error(), "not read") {
		t.Errorf("read %d bytes, %v", len(out), err)
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	tl := tail{max: 4}
	for _, s := range []string{"ab", "cde", "fghijklmnop", "q"} {
		tl.Write([]byte(s))
	}
	if tl.String() != "nopq" || len(tl.data) > 2*tl.max {
		t.Errorf("%q of %d", tl.String(), len(tl.data))
	}
}
