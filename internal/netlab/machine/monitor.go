//go:build linux

package machine

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// How long QEMU may take to obey. It does not wait for the guest.
const monitorBound = 30 * time.Second

var errMonitorClosed = errors.New("QEMU's monitor is closed")

// A monitor gives orders to one QEMU by its machine protocol, QMP, and hears which of its network links are connected.
type monitor struct {
	conn net.Conn
	turn chan struct{} // holds a value while a command waits for its answer
	done chan struct{} // closed when nothing more can be heard

	answers chan answer

	mu      sync.Mutex
	linked  map[string]bool // netdev's name; guarded by mu
	changed chan struct{}   // closed, and made anew, when linked changes; guarded by mu
	last    int             // the number of the last command; guarded by turn
}

// An answer is what QEMU says: the outcome of a command, or an event.
type answer struct {
	ID    int `json:"id"`
	Error *struct {
		Desc string `json:"desc"`
	} `json:"error"`
	Event string `json:"event"`
	Data  struct {
		Netdev string `json:"netdev-id"`
	} `json:"data"`
}

func newMonitor(conn net.Conn) *monitor {
	m := &monitor{
		conn:    conn,
		turn:    make(chan struct{}, 1),
		done:    make(chan struct{}),
		answers: make(chan answer, 1),
		linked:  map[string]bool{},
		changed: make(chan struct{}),
	}
	go m.hear()
	return m
}

// close ends the conversation and waits for the listener.
func (m *monitor) close() {
	m.conn.Close()
	<-m.done
}

func (m *monitor) hear() {
	defer close(m.done)
	lines := bufio.NewReader(m.conn)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var a answer
		if json.Unmarshal(line, &a) != nil {
			continue
		}
		switch a.Event {
		case "NETDEV_STREAM_CONNECTED":
			m.setLinked(a.Data.Netdev, true)
		case "NETDEV_STREAM_DISCONNECTED":
			m.setLinked(a.Data.Netdev, false)
		case "":
			if a.ID > 0 { // the greeting has none
				m.answer(a)
			}
		}
	}
}

// answer hands over the newest answer; one that nobody took belongs to a command that was given up.
func (m *monitor) answer(a answer) {
	select {
	case <-m.answers:
	default:
	}
	m.answers <- a
}

func (m *monitor) setLinked(netdev string, up bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.linked[netdev] = up
	close(m.changed)
	m.changed = make(chan struct{})
}

// waitLink waits until the link of that name is connected, or is not.
func (m *monitor) waitLink(ctx context.Context, netdev string, up bool) error {
	for {
		m.mu.Lock()
		linked, changed := m.linked[netdev], m.changed
		m.mu.Unlock()
		if linked == up {
			return nil
		}
		select {
		case <-changed:
		case <-m.done:
			return errMonitorClosed
		case <-ctx.Done():
			return fmt.Errorf("network link %s is connected: %v, want %v: %w", netdev, linked, up, context.Cause(ctx))
		}
	}
}

// do has a command executed and waits for the outcome.
func (m *monitor) do(ctx context.Context, command string, arguments map[string]any) error {
	ctx, cancel := context.WithTimeout(ctx, monitorBound)
	defer cancel()
	select {
	case m.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-m.turn }()
	m.last++
	request := map[string]any{"execute": command, "id": m.last}
	if arguments != nil {
		request["arguments"] = arguments
	}
	line, err := json.Marshal(request)
	if err != nil {
		return err
	}
	if deadline, ok := ctx.Deadline(); ok {
		m.conn.SetWriteDeadline(deadline)
	}
	if _, err := m.conn.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("QEMU: %s: %w", command, err)
	}
	return m.await(ctx, command)
}

// await waits for the answer to the last command.
func (m *monitor) await(ctx context.Context, command string) error {
	for {
		select {
		case a := <-m.answers:
			if a.ID != m.last {
				continue
			}
			if a.Error != nil {
				return fmt.Errorf("QEMU: %s: %s", command, a.Error.Desc)
			}
			return nil
		case <-m.done:
			return fmt.Errorf("QEMU: %s: %w", command, errMonitorClosed)
		case <-ctx.Done():
			return fmt.Errorf("QEMU: %s: %w", command, context.Cause(ctx))
		}
	}
}
