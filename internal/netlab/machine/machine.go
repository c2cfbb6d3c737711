//go:build linux

package machine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/holdfastdb/holdfast/internal/netlab/guest/wire"
	"github.com/holdfastdb/holdfast/internal/netlab/image"
)

// How long a machine may take to boot and set itself up. Three machines, emulated by two cores, take some 12 s; a minute was seen
// when the cores were busy with other things.
const bootBound = 4 * time.Minute

// How much of a console an error shows, and Console returns.
const (
	consoleInError = 1500
	consoleTail    = 16 << 10
)

var (
	errOff     = errors.New("the machine is off")
	errClosed  = errors.New("the cluster is closed")
	errRunning = errors.New("the machine is on")
)

// A Machine is the file server or one of its clients. All programs in it run as root. Its methods may be called at the same time;
// those that change its power or its mounts take turns.
type Machine struct {
	c     *Cluster
	index int // 0 is the server
	name  string
	turn  chan struct{} // holds a value while power or mounts change

	mounts []Mount // guarded by turn

	mu     sync.Mutex
	inst   *instance // nil while it is off; guarded by mu
	closed bool      // guarded by mu
}

// Output is what a program that has ended has printed, and its exit status or 128 and the signal that ended it.
type Output struct {
	Stdout, Stderr string
	Code           int
}

func newMachine(c *Cluster, index int) *Machine {
	m := &Machine{c: c, index: index, name: "server", turn: make(chan struct{}, 1)}
	if index > 0 {
		m.name = fmt.Sprintf("client%d", index)
	}
	return m
}

// Name is "server", "client1", "client2" and so on; it is the machine's host name, too.
func (m *Machine) Name() string { return m.name }

// wrap names the machine in an error.
func (m *Machine) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("machine: %s: %w", m.name, err)
}

// running returns the instance, or says why there is none.
func (m *Machine) running() (*instance, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.closed:
		return nil, errClosed
	case m.inst == nil:
		return nil, errOff
	}
	return m.inst, nil
}

// hardware is the server's or a client's.
func (m *Machine) hardware() (hardware, error) {
	cfg := m.c.config
	if m.index > 0 {
		h := hardware{
			image:      cfg.Image.Client,
			memory:     512,
			parameters: "role=client address=" + image.ClientAddress(m.index),
			devices: []string{
				"-netdev", fmt.Sprintf("stream,id=n0,server=off,addr.type=unix,addr.path=link%d", m.index),
				"-device", fmt.Sprintf("virtio-net-pci,netdev=n0,id=nic0,mac=52:54:00:77:00:%02x,status=off,romfile=", m.index),
			},
		}
		if cfg.Host {
			h.parameters += " hostaddress=" + addressThere
			h.devices = append(h.devices,
				"-netdev", "user,id=host,ipv6=off,net="+hostNetwork+",host="+HostAddress,
				"-device", fmt.Sprintf("virtio-net-pci,netdev=host,id=%s,mac=52:54:00:78:00:%02x,status=off,romfile=", hostCard, m.index))
		}
		return h, nil
	}
	h := hardware{
		image:      cfg.Image.Server,
		memory:     768,
		parameters: fmt.Sprintf("role=server nfslease=%d nfsgrace=%d", int(cfg.NFSLease.Seconds()), int(cfg.NFSGrace.Seconds())),
		devices: []string{
			"-drive", "file=" + diskName + ",if=none,id=disk,format=raw,cache=writeback,werror=report,rerror=report",
			"-device", "virtio-blk-pci,drive=disk",
		},
	}
	for i, l := range m.c.links {
		f, err := l.File()
		if err != nil {
			return h, errors.Join(err, closeAll(h.files))
		}
		h.files = append(h.files, f)
		h.devices = append(h.devices,
			"-netdev", fmt.Sprintf("stream,id=n%d,server=on,addr.type=fd,addr.str=%d", i+1, firstFile+i),
			// Without the status feature a card whose link is cut does not notice: packets are lost, as in a broken network.
			"-device", fmt.Sprintf("virtio-net-pci,netdev=n%d,id=nic%d,mac=52:54:00:77:01:%02x,status=off,romfile=", i+1, i, i+1))
	}
	return h, nil
}

func closeAll(files []*os.File) error {
	var errs []error
	for _, f := range files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// power switches the machine on.
func (m *Machine) power(ctx context.Context) error {
	h, err := m.hardware()
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.closed:
		err = errClosed
	case m.inst != nil:
		err = errRunning
	default:
		m.inst, err = m.c.launch(ctx, m.name, m.c.accel, h)
	}
	if err := errors.Join(err, closeAll(h.files)); err != nil {
		return fmt.Errorf("%s: %w", m.name, err)
	}
	return nil
}

// up waits until the machine has booted and, if it is a client, until its link is connected.
func (m *Machine) up(ctx context.Context) error {
	in, err := m.running()
	if err != nil {
		return fmt.Errorf("%s: %w", m.name, err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, bootBound, fmt.Errorf("not up after %s", bootBound))
	defer cancel()
	if m.index > 0 {
		err = m.waitLink(ctx, true)
	}
	if err == nil {
		err = in.agent.waitReady(ctx)
	}
	if err != nil {
		return fmt.Errorf("%s did not boot: %w\nThe end of its console:\n%s", m.name, err, m.console(consoleInError))
	}
	return nil
}

// waitLink waits until the server's end of the client's link is connected, or is free.
func (m *Machine) waitLink(ctx context.Context, up bool) error {
	server, err := m.c.Server.running()
	if err != nil {
		return err
	}
	return server.monitor.waitLink(ctx, fmt.Sprintf("n%d", m.index), up)
}

// shut switches the machine off for good, and waits for it.
func (m *Machine) shut() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	if m.inst != nil {
		m.inst.kill(fmt.Errorf("%w: %w", ErrGone, errClosed))
		m.inst = nil
	}
}

// Run runs a program and waits until it has ended; that it fails is no error. If ctx ends first, the program is killed.
func (m *Machine) Run(ctx context.Context, argv ...string) (Output, error) {
	out, err := m.run(ctx, argv)
	if err != nil {
		err = m.wrap(fmt.Errorf("run %q: %w", argv, err))
	}
	return out, err
}

func (m *Machine) run(ctx context.Context, argv []string) (Output, error) {
	p, err := m.start(ctx, argv, nil)
	if err != nil {
		return Output{}, err
	}
	if err := p.Stdin.Close(); err != nil {
		return Output{}, err
	}
	if err := p.wait(ctx); err != nil {
		p.Signal(syscall.SIGKILL)
		return Output{Stderr: p.Stderr()}, err
	}
	out, err := io.ReadAll(p.Stdout)
	return Output{Stdout: string(out), Stderr: p.Stderr(), Code: p.code}, err
}

// do runs a program; that it fails is an error that holds what it printed.
func (m *Machine) do(ctx context.Context, argv ...string) error {
	out, err := m.run(ctx, argv)
	if err == nil && out.Code != 0 {
		said := strings.ReplaceAll(strings.TrimSpace(out.Stderr+out.Stdout), "\n", "; ")
		err = fmt.Errorf("exit status %d: %s", out.Code, said)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", strings.Join(argv, " "), err)
	}
	return nil
}

// Put copies a file of the host, with its permissions, to the machine. Directories are made. It replaces a program that runs.
func (m *Machine) Put(ctx context.Context, hostPath, guestPath string) error {
	if err := m.put(ctx, hostPath, guestPath); err != nil {
		return m.wrap(fmt.Errorf("put %s: %w", guestPath, err))
	}
	return nil
}

func (m *Machine) put(ctx context.Context, hostPath, guestPath string) error {
	in, err := m.running()
	if err != nil {
		return err
	}
	f, err := os.Open(hostPath)
	if err != nil {
		return err
	}
	defer f.Close()
	s, err := f.Stat()
	if err != nil {
		return err
	}
	b := make([]byte, wire.MaxChunk)
	for first, left := true, s.Size(); first || left > 0; first = false {
		n, err := io.ReadFull(f, b[:min(left, int64(len(b)))])
		if err != nil {
			return err
		}
		left -= int64(n)
		r := wire.Request{Op: wire.OpPut, Path: guestPath, Mode: uint32(s.Mode().Perm()), First: first, Data: b[:n]}
		if _, err := in.agent.request(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// Console returns the last 16 KiB of what the machine has printed on its console, since the cluster was booted.
func (m *Machine) Console() string { return m.console(consoleTail) }

func (m *Machine) console(size int64) string {
	f, err := os.Open(filepath.Join(m.c.config.Dir, m.name+".console"))
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	if s, err := f.Stat(); err == nil && s.Size() > size {
		f.Seek(-size, io.SeekEnd)
	}
	b, err := io.ReadAll(f)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
