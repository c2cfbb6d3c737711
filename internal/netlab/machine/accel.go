//go:build linux

package machine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// How long a machine under KVM may take to say its first word; it takes a second or two.
const kvmBound = 20 * time.Second

// chooseAccel returns "kvm" if machines boot under it, else "tcg". Being able to open /dev/kvm is not enough: some hosts are virtual
// machines themselves and offer one under which an ordinary kernel does not come up. So a machine is booted, and the outcome kept in
// the cache for as long as the host's kernel, QEMU and the machine's kernel are the same.
func (c *Cluster) chooseAccel(ctx context.Context) (string, error) {
	if c.config.Accel != "" {
		return c.config.Accel, nil
	}
	fd, err := unix.Open("/dev/kvm", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		c.config.Log(fmt.Sprintf("no KVM (/dev/kvm: %v): machines are emulated, which is slower", err))
		return "tcg", nil
	}
	unix.Close(fd)

	host, err := c.hostID()
	if err != nil {
		return "", err
	}
	path := filepath.Join(c.config.Image.Cache, "accel")
	known, err := os.ReadFile(path)
	if verdict, ok := strings.CutSuffix(string(known), " "+host); err == nil && ok {
		return verdict, nil
	}
	verdict, err := c.tryKVM(ctx)
	if err != nil {
		return "", err
	}
	return verdict, os.WriteFile(path, []byte(verdict+" "+host), 0o644)
}

// hostID changes when the outcome of a try may change.
func (c *Cluster) hostID() (string, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "", err
	}
	id := unix.ByteSliceToString(u.Release[:])
	for _, path := range []string{c.config.Image.QEMU, c.config.Image.Kernel} {
		s, err := os.Stat(path)
		if err != nil {
			return "", err
		}
		id += fmt.Sprintf(" %d", s.Size())
	}
	return id, nil
}

// tryKVM boots a machine without a network, until its guest program speaks.
func (c *Cluster) tryKVM(ctx context.Context) (string, error) {
	c.config.Log("trying if machines boot under KVM")
	try, cancel := context.WithTimeout(ctx, kvmBound)
	defer cancel()
	in, err := c.launch(try, "kvm", "kvm", hardware{image: c.config.Image.Client, memory: 512, parameters: "role=true"})
	if err == nil {
		err = in.agent.waitReady(try)
		in.kill(ErrGone)
	}
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if err != nil {
		c.config.Log(fmt.Sprintf("KVM does not work here (%v): machines are emulated, which is slower", err))
		return "tcg", nil
	}
	return "kvm", nil
}
