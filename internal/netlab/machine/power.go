//go:build linux

package machine

import (
	"context"
	"errors"
	"fmt"

	"github.com/holdfastdb/holdfast/internal/netlab/guest/wire"
)

// take takes the turn to change the machine's power or mounts.
func (m *Machine) take(ctx context.Context) (give func(), err error) {
	select {
	case m.turn <- struct{}{}:
		return func() { <-m.turn }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Cut lets every packet from and to the machine be lost, without its noticing that the link is down. The machine itself can still be
// used.
func (m *Machine) Cut(ctx context.Context) error { return m.wrap(m.setLinks(ctx, m.cards(), false)) }

// CutHost is Cut for what a client exchanges with servers on the host: see [Config.Host].
func (m *Machine) CutHost(ctx context.Context) error {
	return m.wrap(m.setLinks(ctx, []string{hostCard}, false))
}

// Restore ends a Cut and a CutHost.
func (m *Machine) Restore(ctx context.Context) error { return m.wrap(m.setLinks(ctx, m.cards(), true)) }

// hostCard is the card that a client reaches the host by.
const hostCard = "host0"

// cards are all network cards of the machine.
func (m *Machine) cards() (names []string) {
	if m.index > 0 {
		names = append(names, "nic0")
		if m.c.config.Host {
			names = append(names, hostCard)
		}
		return names
	}
	for i := range m.c.links {
		names = append(names, fmt.Sprintf("nic%d", i))
	}
	return names
}

func (m *Machine) setLinks(ctx context.Context, cards []string, up bool) error {
	in, err := m.running()
	if err != nil {
		return err
	}
	for _, name := range cards {
		if err := in.monitor.do(ctx, "set_link", map[string]any{"name": name, "up": up}); err != nil {
			return err
		}
	}
	return nil
}

// Pause freezes the whole machine, its clocks too. Calls that need it wait until Resume, or until their ctx ends.
func (m *Machine) Pause(ctx context.Context) error {
	in, err := m.running()
	if err == nil {
		err = in.monitor.do(ctx, "stop", nil)
	}
	return m.wrap(err)
}

// Resume ends a Pause, and returns when the machine answers again.
func (m *Machine) Resume(ctx context.Context) error {
	in, err := m.running()
	if err == nil {
		err = in.monitor.do(ctx, "cont", nil)
	}
	if err == nil {
		_, err = in.agent.request(ctx, wire.Request{Op: wire.OpPing})
	}
	return m.wrap(err)
}

// Off cuts the power of a client: what it has not sent is lost. To make the server lose what it has not written, use [Machine.Reset].
func (m *Machine) Off(ctx context.Context) error { return m.wrap(m.off(ctx)) }

func (m *Machine) off(ctx context.Context) error {
	if m.index == 0 {
		return errors.New("the server cannot be switched off, only reset")
	}
	give, err := m.take(ctx)
	if err != nil {
		return err
	}
	defer give()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.inst == nil {
		return errOff
	}
	m.inst.kill(fmt.Errorf("%w: it was switched off", ErrGone))
	m.inst = nil
	return nil
}

// On switches a client on after Off, and returns when it has booted and its mounts are back. Its link is not cut.
func (m *Machine) On(ctx context.Context) error { return m.wrap(m.on(ctx)) }

func (m *Machine) on(ctx context.Context) error {
	give, err := m.take(ctx)
	if err != nil {
		return err
	}
	defer give()
	if m.index > 0 {
		// The server notices the end of the old connection when it runs, and takes a new one only then.
		if err := m.waitLink(ctx, false); err != nil {
			return err
		}
	}
	if err := m.power(ctx); err != nil {
		return err
	}
	return m.comeBack(ctx)
}

// Reset makes the machine crash and reboot at once. What it held in memory alone is lost; the server keeps its disk. It returns when
// the machine has booted and a client's mounts are back. A link that is cut stays cut, and a machine that is paused stays paused: a
// client needs its link for the mounts, and any machine must run to boot.
func (m *Machine) Reset(ctx context.Context) error { return m.wrap(m.reset(ctx)) }

func (m *Machine) reset(ctx context.Context) error {
	give, err := m.take(ctx)
	if err != nil {
		return err
	}
	defer give()
	in, err := m.running()
	if err != nil {
		return err
	}
	in.agent.reset(fmt.Errorf("%w: it was reset", ErrGone))
	if err := in.monitor.do(ctx, "system_reset", nil); err != nil {
		return err
	}
	return m.comeBack(ctx)
}

// comeBack waits for the boot and mounts what was mounted before it.
func (m *Machine) comeBack(ctx context.Context) error {
	if err := m.up(ctx); err != nil {
		return err
	}
	for _, mnt := range m.mounts {
		if err := m.mount(ctx, mnt); err != nil {
			return err
		}
	}
	return nil
}
