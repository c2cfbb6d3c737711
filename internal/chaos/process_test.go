//go:build linux

package chaos

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A process is another run of this test binary, in a role. It reads lines of JSON
// and writes lines of JSON.
type process struct {
	t      testing.TB
	role   string
	cmd    *exec.Cmd
	in     io.WriteCloser
	lines  chan []byte   // what it said, in full lines; closed at its end
	stderr *tail         // what it logged
	gone   chan struct{} // closed when it was waited for
}

// start starts a process in a role, with settings for it. Each wrap may change how.
// The process is killed at the end of the test.
func start(t testing.TB, role string, settings any, wraps ...wrap) *process {
	t.Helper()
	p, err := launch(t, role, settings, wraps...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.end()
		if t.Failed() {
			t.Logf("%s logged:\n%s", p, p.stderr)
		}
	})
	return p
}

// launch is start for whoever cares for the end himself.
func launch(t testing.TB, role string, settings any, wraps ...wrap) (*process, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(settings)
	if err != nil {
		return nil, err
	}
	p := &process{
		t: t, role: role, cmd: exec.Command(exe), stderr: &tail{},
		lines: make(chan []byte, 1<<12), gone: make(chan struct{}),
	}
	p.cmd.Env = append(os.Environ(), roleEnv+"="+role, settingsEnv+"="+string(text))
	p.cmd.Stderr = p.stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // a stopped one would stay for ever
	for _, w := range wraps {
		w(p.cmd)
	}
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	// Not StdoutPipe: what a killed process said can be read after Wait as well.
	out, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer w.Close()
	p.cmd.Stdout = w
	if err := p.cmd.Start(); err != nil {
		out.Close()
		return nil, err
	}
	go p.listen(out)
	go func() {
		p.cmd.Wait()
		close(p.gone)
	}()
	return p, nil
}

// A wrap changes how a process is started.
type wrap func(*exec.Cmd)

// listen passes lines on. A line that its process was killed over is no line.
func (p *process) listen(out io.ReadCloser) {
	defer close(p.lines)
	defer out.Close()
	r := bufio.NewReaderSize(out, 1<<16)
	for {
		line, err := r.ReadBytes('\n')
		if err != nil {
			return
		}
		p.lines <- line
	}
}

// tell sends a line. An error means that the process is gone.
func (p *process) tell(v any) error { return json.NewEncoder(p.in).Encode(v) }

// hear decodes the next line. It reports false at the end of the process, and
// fails the test if there is neither a line nor an end within limit.
func (p *process) hear(v any, limit time.Duration) bool {
	p.t.Helper()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case line, ok := <-p.lines:
		if !ok {
			return false
		}
		if err := json.Unmarshal(line, v); err != nil {
			p.t.Fatalf("%s said %q: %v", p, line, err)
		}
		return true
	case <-timer.C:
		p.t.Fatalf("%s hangs: it said nothing for %v\n%s", p, limit, p.dump())
		return false
	}
}

// next is hear for other goroutines than the test's: it does not fail the test, and
// a hang is no line.
func (p *process) next(v any) bool {
	select {
	case line, ok := <-p.lines:
		return ok && json.Unmarshal(line, v) == nil
	case <-time.After(patience):
		return false
	}
}

// dump ends the process and returns the stacks of its goroutines.
func (p *process) dump() string {
	p.signal(syscall.SIGCONT)
	p.signal(syscall.SIGQUIT)
	select {
	case <-p.gone:
	case <-time.After(5 * time.Second):
		p.kill()
	}
	return p.stderr.String()
}

func (p *process) signal(s syscall.Signal) { syscall.Kill(p.pid(), s) }
func (p *process) pid() int                { return p.cmd.Process.Pid }
func (p *process) String() string          { return fmt.Sprintf("%s (pid %d)", p.role, p.pid()) }

// kill kills the process, and returns when it is gone.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.gone
}

// end is kill, for whoever does not want to hear any more.
func (p *process) end() {
	if !p.isGone() {
		p.kill()
	}
	p.in.Close()
	for range p.lines {
	}
}

func (p *process) isGone() bool {
	select {
	case <-p.gone:
		return true
	default:
		return false
	}
}

// ended returns how the process ended by itself, and fails the test if it does not
// within limit.
func (p *process) ended(limit time.Duration) *os.ProcessState {
	p.t.Helper()
	select {
	case <-p.gone:
		return p.cmd.ProcessState
	case <-time.After(limit):
		p.t.Fatalf("%s hangs: it did not end within %v\n%s", p, limit, p.dump())
		return nil
	}
}

// A tail keeps the end of what was written to it.
type tail struct {
	mu   sync.Mutex
	text []byte // guarded by mu
}

const tailSize = 64 << 10

func (l *tail) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	if over := len(l.text) - tailSize; over > 0 {
		l.text = append(l.text[:0], l.text[over:]...)
	}
	return len(p), nil
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}
