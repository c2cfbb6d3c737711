package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/holdfastdb/holdfast/internal/netlab/workload"
)

// roleEnv makes this test binary a worker.
const roleEnv = "HOLDFAST_NETLAB_WORKER"

func TestMain(m *testing.M) {
	if os.Getenv(roleEnv) == "" {
		os.Exit(m.Run())
	}
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func realRun() bool { return os.Getenv("HOLDFAST_REAL") == "1" }

// patience is how long a test waits for what has to come.
const patience = 30 * time.Second

// A process is a worker of its own.
type process struct {
	*workload.Client
	t   testing.TB
	cmd *exec.Cmd
	log *log
}

// start starts a worker, which is killed at the end of the test.
func start(t testing.TB, name string) *process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: exec.Command(exe), log: &log{}}
	p.cmd.Env = append(os.Environ(), roleEnv+"=1")
	p.cmd.Stderr = p.log
	t.TempDir() // asked for before the worker starts, it is removed after the worker is gone
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.Client = workload.NewClient(name, in, out)
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("%s logged:\n%s", name, p.log)
		}
	})
	ctx, cancel := p.soon()
	defer cancel()
	if err := p.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *process) soon() (context.Context, context.CancelFunc) {
	return context.WithTimeout(p.t.Context(), patience)
}

// kill kills it, at once. It may be stopped, or gone.
func (p *process) kill() {
	p.cmd.Process.Kill()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := p.Close(ctx); err != nil {
		p.t.Error(err)
	}
	p.cmd.Wait()
}

func (p *process) signal(s syscall.Signal) {
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// must has a command obeyed.
func (p *process) must(c workload.Command) workload.Reply {
	p.t.Helper()
	ctx, cancel := p.soon()
	defer cancel()
	r, err := p.Must(ctx, c)
	if err != nil {
		p.t.Fatal(err)
	}
	return r
}

// does begins a command, and returns where its reply will be.
func (p *process) does(c workload.Command) <-chan workload.Reply {
	reply := make(chan workload.Reply, 1)
	go func() {
		ctx, cancel := p.soon()
		defer cancel()
		r, err := p.Do(ctx, c)
		if err != nil {
			r = workload.Reply{Outcome: workload.Unknown, Kind: workload.KindNoAnswer, Err: err.Error()}
		}
		reply <- r
	}()
	return reply
}

// open opens connections, all alike.
func (p *process) open(o workload.Open, conns ...string) {
	p.t.Helper()
	for _, conn := range conns {
		p.must(workload.Command{Do: workload.DoOpen, Conn: conn, Open: &o})
	}
}

func (p *process) trap(t workload.Trap) {
	p.t.Helper()
	p.must(workload.Command{Do: workload.DoTrap, Trap: &t})
}

// letGo releases a trap, and returns what it counted.
func (p *process) letGo(id string) int {
	p.t.Helper()
	return p.must(workload.Command{Do: workload.DoGo, Trap: &workload.Trap{ID: id}}).Count
}

// trapped waits until a trap has sprung.
func (p *process) trapped(id string) workload.Event {
	p.t.Helper()
	ctx, cancel := p.soon()
	defer cancel()
	e, err := p.Trapped(ctx, id)
	if err != nil {
		p.t.Fatal(err)
	}
	return e
}

func (p *process) audit(conn string) *workload.Audit {
	p.t.Helper()
	return p.must(workload.Command{Do: workload.DoAudit, Conn: conn}).Audit
}

func appends(conn string, a *workload.Append) workload.Command {
	return workload.Command{Do: workload.DoAppend, Conn: conn, Append: a}
}

// A log keeps what a process logs.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
