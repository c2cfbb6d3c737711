package testservers

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A Server is one server that runs, or can be made to run again.
type Server struct {
	kind    Kind
	built   string // directory of the program
	dir     string // of its data
	address string // host:port

	running *running // nil while it does not
}

// running is a process and what became of it.
type running struct {
	cmd   *exec.Cmd
	out   *output
	ended chan struct{} // closed when it has
}

// Bounds on what a server may take.
const (
	buildBound = 40 * time.Minute // on a slow machine, with nothing in the caches of Go
	readyBound = 2 * time.Minute  // on a machine that does much else
	stopBound  = 20 * time.Second
)

// Start starts a server with no data, which ends with the test.
func Start(t testing.TB, kind Kind) *Server {
	t.Helper()
	s, err := start(kind)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.remove)
	return s
}

// shared has the servers that several tests use.
var shared group

type group struct {
	mu      sync.Mutex
	servers map[string]*Server // by kind
}

// Shared returns the one server of a kind that all tests of the package use, which runs until
// [Main] ends it. A test makes its own bucket or namespace there, and stops nothing.
func Shared(t testing.TB, kind Kind) *Server {
	t.Helper()
	s, err := StartShared(kind)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// StartShared is [Shared] for a program, which is to call [StopShared] at its end.
func StartShared(kind Kind) (*Server, error) {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if s := shared.servers[kind.name]; s != nil {
		return s, nil
	}
	s, err := start(kind)
	if err != nil {
		return nil, err
	}
	if shared.servers == nil {
		shared.servers = map[string]*Server{}
	}
	shared.servers[kind.name] = s
	return s, nil
}

// StopShared ends what [StartShared] started.
func StopShared() { shared.stop() }

func (g *group) stop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range g.servers {
		s.remove()
	}
}

func start(kind Kind) (*Server, error) {
	ctx, cancel := context.WithTimeout(context.Background(), buildBound)
	defer cancel()
	built, err := kind.built(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "holdfast-"+kind.name+"-")
	if err != nil {
		return nil, err
	}
	s := &Server{kind: kind, built: built, dir: dir}
	const tries = 3 // somebody may take the port before the server does
	for range tries {
		if s.address, err = freeAddress(); err != nil {
			break
		}
		if err = s.Run(); err == nil {
			return s, nil
		}
	}
	s.remove()
	return nil, err
}

// given has the ports that freeAddress has returned.
var given struct {
	mu    sync.Mutex
	ports map[int]bool // guarded by mu
}

// freeAddress returns one that nobody listens on, and never one twice: a server that was
// killed is to find its own free. Systems give the ports below 16000 to no connection.
func freeAddress() (string, error) {
	given.mu.Lock()
	defer given.mu.Unlock()
	if given.ports == nil {
		given.ports = map[int]bool{}
	}
	var err error
	const tries = 1000 // others may have many of them
	for range tries {
		port := 10000 + rand.IntN(6000)
		if given.ports[port] {
			continue
		}
		var l net.Listener
		if l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			given.ports[port] = true
			return l.Addr().String(), l.Close()
		}
	}
	return "", errors.Join(errors.New("no free port"), err)
}

// URL is where the server answers.
func (s *Server) URL() string {
	if s.kind.tls {
		return "https://" + s.address
	}
	return "http://" + s.address
}

// URLAt is where the server answers whoever knows its host by another name.
func (s *Server) URLAt(host string) string {
	_, port := s.hostPort()
	return strings.Replace(s.URL(), s.address, net.JoinHostPort(host, port), 1)
}

func (s *Server) program(name string) string { return filepath.Join(s.built, name) }

func (s *Server) hostPort() (host, port string) {
	host, port, _ = net.SplitHostPort(s.address)
	return host, port
}

// Run has the server run, again if it was stopped or killed, with the data it had. It
// returns when the server is ready.
func (s *Server) Run() error {
	argv, env, err := s.kind.run(s)
	if err != nil {
		return err
	}
	r := &running{cmd: exec.Command(argv[0], argv[1:]...), out: new(output), ended: make(chan struct{})}
	r.cmd.Dir, r.cmd.Env = s.dir, append(os.Environ(), env...)
	r.cmd.Stdout, r.cmd.Stderr = r.out, r.out
	r.cmd.WaitDelay = stopBound // for what it may have left behind
	dieWithParent(r.cmd, s.kind.forks)
	begun := make(chan error)
	go func() {
		// Linux ends the process when the thread ends that started it.
		runtime.LockOSThread()
		err := r.cmd.Start()
		begun <- err
		if err == nil {
			r.cmd.Wait()
		}
		close(r.ended)
	}()
	if err := <-begun; err != nil {
		return err
	}
	s.running = r
	ctx, cancel := context.WithTimeout(context.Background(), readyBound)
	defer cancel()
	if err := s.awaitReady(ctx); err != nil {
		s.Kill()
		return fmt.Errorf("%s: %w\n%s", s.kind, err, r.out)
	}
	return nil
}

func (s *Server) awaitReady(ctx context.Context) error {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true,
	}}
	for {
		err := s.answers(ctx, client)
		if err == nil {
			return nil
		}
		select {
		case <-s.running.ended:
			return errors.New("it ended")
		case <-ctx.Done():
			return fmt.Errorf("not ready within %v: %w", readyBound, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Kill ends the server at once, and waits for that.
func (s *Server) Kill() {
	if r := s.running; r != nil {
		if s.kind.forks {
			r.askToEnd(syscall.SIGTERM)
		}
		r.cmd.Process.Kill()
		<-r.ended
		s.running = nil
	}
}

// askToEnd waits for the server to end by itself, for some time.
func (r *running) askToEnd(with os.Signal) {
	r.cmd.Process.Signal(with)
	select {
	case <-r.ended:
	case <-time.After(stopBound):
	}
}

// Stop asks the server to end, and kills it if it does not.
func (s *Server) Stop() {
	r := s.running
	if r == nil {
		return
	}
	r.askToEnd(os.Interrupt)
	s.Kill()
}

func (s *Server) remove() {
	s.Kill()
	os.RemoveAll(s.dir)
}

// An output keeps the beginning of what a server says.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	const most = 64 << 10
	o.text.Write(p[:min(len(p), max(0, most-o.text.Len()))])
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
