//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/holdfastdb/holdfast/internal/netlab/image"
	"github.com/holdfastdb/holdfast/internal/netlab/machine"
	"github.com/holdfastdb/holdfast/internal/netlab/workload"
	"github.com/holdfastdb/holdfast/internal/testservers"
	"github.com/holdfastdb/holdfast/internal/testservers/locks"
)

// Bounds of what has nothing to do with what is shown.
const (
	bootBound   = 5 * time.Minute
	workerBound = time.Minute
)

// A lab is one run: a file server, two clients, and what runs on them.
type lab struct {
	options
	cluster *machine.Cluster
	locks   locks.Lock        // of the databases, if a server keeps them
	bin     map[string]string // path on the host, by name of the worker
	tmp     string            // removed at the end; "" if the user gave a directory
	dirs    atomic.Int64      // number of the next directory on the server
}

// The clients. The victim is the one that things are done to; the other goes on.
const (
	victim = 0
	other  = 1
)

// Workers: with Holdfast, and with the stock driver.
const (
	holdfast = "holdfast"
	stock    = "stock"
)

func newLab(ctx context.Context, o options) (*lab, error) {
	l := &lab{options: o, bin: map[string]string{}}
	var err error
	if l.dir == "" {
		if l.tmp, err = os.MkdirTemp("", "netlab-"); err != nil {
			return nil, err
		}
		l.dir = l.tmp
	} else if err := os.MkdirAll(l.dir, 0o755); err != nil {
		return nil, err
	}
	if err = l.prepare(ctx); err != nil {
		return nil, errors.Join(err, l.close())
	}
	return l, nil
}

func (l *lab) prepare(ctx context.Context) error {
	began := time.Now()
	img, err := image.Build(ctx, l.cache, l.say)
	if err != nil {
		return err
	}
	if err := l.buildWorkers(ctx); err != nil {
		return err
	}
	if err := l.startLock(ctx); err != nil {
		return err
	}
	built := time.Now()
	ctx, cancel := context.WithTimeout(ctx, bootBound)
	defer cancel()
	l.cluster, err = machine.Boot(ctx, machine.Config{
		Dir: filepath.Join(l.dir, "lab"), Image: img, Clients: 2, Disk: 6 << 30, Accel: l.accel, Host: l.remote(), Log: l.say,
	})
	if err != nil {
		return err
	}
	if err := l.settleClocks(ctx); err != nil {
		return err
	}
	for _, m := range l.cluster.Clients {
		if err := l.equip(ctx, m); err != nil {
			return err
		}
	}
	fmt.Printf("image and programs %v, machines %v, seed %d\n", built.Sub(began).Round(time.Second/10), time.Since(built).Round(time.Second/10), l.seed)
	return nil
}

// equip gives a client its programs and mounts, also when it comes back from nothing.
func (l *lab) equip(ctx context.Context, m *machine.Machine) error {
	if err := l.putWorkers(ctx, m); err != nil {
		return err
	}
	for _, name := range l.chosenMounts() {
		mnt, err := machine.MountNamed(name)
		if err == nil {
			err = m.Mount(ctx, mnt)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *lab) putWorkers(ctx context.Context, m *machine.Machine) error {
	for name, path := range l.bin {
		if err := m.Put(ctx, path, guestPath(name)); err != nil {
			return err
		}
	}
	for _, path := range l.locks.Files {
		if err := m.Put(ctx, path, path); err != nil {
			return err
		}
	}
	return nil
}

func guestPath(worker string) string { return "/tmp/worker-" + worker }

// buildWorkers builds the programs for the clients. The one with the stock driver needs
// a C compiler; it is not built if that is not asked for.
func (l *lab) buildWorkers(ctx context.Context) error {
	const pkg = "github.com/holdfastdb/holdfast/internal/netlab/worker"
	for _, name := range l.who {
		args, env := []string{"build", "-trimpath", "-ldflags", "-s -w"}, []string{"CGO_ENABLED=0"}
		if l.remote() {
			args = append(args, "-tags", workload.RemoteTag)
		}
		if name == stock {
			if _, err := exec.LookPath("gcc"); err != nil {
				return errors.New("the stock driver is C: install gcc and libc6-dev, or run with --who holdfast")
			}
			args, env = []string{"build", "-trimpath", "-tags", workload.StockTags, "-ldflags", "-s -w " + workload.StockLink}, []string{"CGO_ENABLED=1"}
		}
		l.bin[name] = filepath.Join(l.dir, "worker-"+name)
		cmd := exec.CommandContext(ctx, "go", append(args, "-o", l.bin[name], pkg)...)
		cmd.Env = append(os.Environ(), env...)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("building the worker for %s: %w: %s", name, err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}

func (l *lab) close() error {
	var err error
	if l.cluster != nil {
		err = l.cluster.Close()
	}
	testservers.StopShared()
	if l.tmp != "" {
		err = errors.Join(err, os.RemoveAll(l.tmp))
	}
	return err
}

// say tells what is going on, to who wants to know.
func (l *lab) say(what string) {
	if l.verbose {
		fmt.Fprintf(os.Stderr, "%s %s\n", time.Now().Format("15:04:05"), what)
	}
}

func (l *lab) sayf(format string, args ...any) { l.say(fmt.Sprintf(format, args...)) }

// A process is a worker on one of the machines.
type process struct {
	*workload.Client
	on   *machine.Machine
	proc *machine.Process
}

// start starts a worker on a client.
func (l *lab) start(ctx context.Context, client int, worker string) (*process, error) {
	ctx, cancel := context.WithTimeout(ctx, workerBound)
	defer cancel()
	m := l.cluster.Clients[client]
	proc, err := m.Start(ctx, []string{guestPath(worker)}, l.environment()...)
	if err != nil {
		return nil, err
	}
	p := &process{workload.NewClient(m.Name(), proc.Stdin, proc.Stdout), m, proc}
	if err := p.Ready(ctx); err != nil {
		p.kill()
		return nil, fmt.Errorf("worker on %s: %w: %s", m.Name(), err, strings.TrimSpace(proc.Stderr()))
	}
	return p, nil
}

// kill is SIGKILL.
func (p *process) kill() error { return p.proc.Signal(9) }

// stop has the worker close what it has open, as a program does that is told to end.
func (p *process) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, workerBound)
	defer cancel()
	err := p.Client.Close(ctx)
	if _, e := p.proc.Wait(ctx); e != nil && err == nil {
		err = e
	}
	if err != nil {
		p.kill()
	}
	return err
}

// where tells what a program is in that does not answer: its threads in the kernel, and
// its routines. That ends it.
func (p *process) where(ctx context.Context) string {
	calls, err := shell(ctx, p.on, fmt.Sprintf("for t in /proc/%d/task/*; do echo \"$t: $(cat $t/wchan)\"; cat $t/stack; done", p.proc.Pid))
	if err != nil {
		calls += "\n" + err.Error()
	}
	p.proc.Signal(syscall.SIGQUIT)
	ctx, cancel := context.WithTimeout(ctx, workerBound)
	defer cancel()
	p.proc.Wait(ctx)
	return fmt.Sprintf("%s does not answer:\n%s\n%s", p.on.Name(), calls, p.proc.Stderr())
}

// directory makes a new directory on the server and returns its name.
func (l *lab) directory(ctx context.Context) (string, error) {
	name := fmt.Sprintf("d%d", l.dirs.Add(1))
	_, err := l.server(ctx, "mkdir -m 777 /srv/export/"+name)
	return name, err
}

// server runs a line of shell on the file server, and returns what it prints.
func (l *lab) server(ctx context.Context, line string) (string, error) {
	return shell(ctx, l.cluster.Server, line)
}

// shell runs a line of shell on a machine, and returns what it prints. A line that
// fails is an error.
func shell(ctx context.Context, m *machine.Machine, line string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, workerBound)
	defer cancel()
	out, err := m.Run(ctx, "/bin/sh", "-c", line)
	if err == nil && out.Code != 0 {
		err = fmt.Errorf("%s: %q: exit %d: %s", m.Name(), line, out.Code, strings.TrimSpace(out.Stderr+out.Stdout))
	}
	return strings.TrimSpace(out.Stdout), err
}

// sleep waits, unless ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
