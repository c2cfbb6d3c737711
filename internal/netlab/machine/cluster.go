//go:build linux

// Package machine runs a file server and its clients as virtual machines under QEMU, and does to them what happens to machines: it
// cuts their links, freezes them, pulls their plugs and makes them crash.
//
// No root, no host network and no port is used, unless [Config.Host] asks for servers on the host. The clients' network cards are
// joined to the server's by Unix sockets, and programs are run through a virtio-serial port, which works also while the link is cut.
// All machines and their disk are gone when the cluster is closed or when its process ends, in whatever way.
//
// The machines' clocks are set from the host's when they boot, to the second. A machine that is paused has its clocks stopped, and
// they stay behind by the length of the pause.
package machine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// A Cluster is a file server and its clients.
type Cluster struct {
	Server  *Machine
	Clients []*Machine

	config  Config
	accel   string
	dir     *os.File            // Config.Dir, open and locked
	links   []*net.UnixListener // what the clients' network cards connect to
	spawner *spawner
	closing func() error // Close, once
}

// Boot starts all machines and returns when each can be used. If it fails, nothing is left running.
//
// It fails with [ErrBusy] if another cluster runs in the same directory. A machine that does not come up is reported with the end of
// what it has printed on its console.
func Boot(ctx context.Context, config Config) (*Cluster, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("machine: %w", err)
	}
	c := &Cluster{config: config, spawner: newSpawner()}
	c.closing = sync.OnceValue(c.close)
	if err := c.boot(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("machine: %w", err), c.Close())
	}
	return c, nil
}

func (c *Cluster) boot(ctx context.Context) error {
	if err := c.openDir(); err != nil {
		return err
	}
	if err := c.makeDisk(ctx); err != nil {
		return err
	}
	var err error
	if c.accel, err = c.chooseAccel(ctx); err != nil {
		return err
	}
	for i := range c.config.Clients {
		l, err := c.listen(fmt.Sprintf("link%d", i+1))
		if err != nil {
			return err
		}
		c.links = append(c.links, l)
	}
	began := time.Now()
	c.Server = newMachine(c, 0)
	for i := range c.config.Clients {
		c.Clients = append(c.Clients, newMachine(c, i+1))
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, m := range c.machines() {
		if err := m.power(ctx); err != nil { // in turn: the clients look for the server's end of their link
			return errors.Join(err, g.Wait())
		}
		g.Go(func() error { return m.up(ctx) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	c.config.Log(fmt.Sprintf("%d machines booted in %s (%s)", 1+len(c.Clients), time.Since(began).Round(100*time.Millisecond), c.accel))
	return nil
}

// openDir makes the directory and locks it. The lock is the kernel's: it goes with the process.
func (c *Cluster) openDir() error {
	if err := os.MkdirAll(c.config.Dir, 0o755); err != nil {
		return err
	}
	var err error
	if c.dir, err = os.Open(c.config.Dir); err != nil {
		return err
	}
	if err := lockDir(c.dir); err != nil {
		return err
	}
	// What a killed process has left.
	for _, pattern := range []string{"link*", "*.console", diskName} {
		old, err := filepath.Glob(filepath.Join(c.config.Dir, pattern))
		if err != nil {
			return err
		}
		for _, o := range old {
			if err := os.Remove(o); err != nil {
				return err
			}
		}
	}
	return nil
}

// listen makes a socket in the directory. A socket's path must be shorter than 108 bytes; by the number of the open directory it is,
// however deep that lies.
func (c *Cluster) listen(name string) (*net.UnixListener, error) {
	path := fmt.Sprintf("/proc/self/fd/%d/%s", c.dir.Fd(), name)
	return net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
}

// machines returns the server and then the clients.
func (c *Cluster) machines() []*Machine {
	if c.Server == nil {
		return nil
	}
	return append([]*Machine{c.Server}, c.Clients...)
}

// Close kills all machines, waits until they have ended, and removes the disk and the sockets. The consoles' files stay in the
// directory. Calls that wait for a machine or a process return. It may be called more than once.
func (c *Cluster) Close() error { return c.closing() }

func (c *Cluster) close() error {
	var errs []error
	for _, m := range c.machines() {
		m.shut()
	}
	c.spawner.stop()
	for _, l := range c.links {
		errs = append(errs, l.Close())
	}
	if c.dir != nil {
		if err := os.Remove(filepath.Join(c.config.Dir, diskName)); !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
		errs = append(errs, c.dir.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("machine: close: %w", err)
	}
	return nil
}
