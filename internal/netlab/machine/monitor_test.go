//go:build linux

package machine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// withMonitor runs f with a monitor and the QEMU it speaks to, played by the test.
func withMonitor(t *testing.T, f func(t *testing.T, m *monitor, qemu net.Conn, heard *bufio.Scanner)) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		m := newMonitor(near)
		defer m.close()
		defer far.Close()
		if _, err := io.WriteString(far, `{"QMP": {"version": {}}}`+"\r\n"); err != nil {
			t.Fatal(err)
		}
		f(t, m, far, bufio.NewScanner(far))
	})
}

func TestCommandsAndTheirAnswers(t *testing.T) {
	withMonitor(t, func(t *testing.T, m *monitor, qemu net.Conn, heard *bufio.Scanner) {
		say := func(line string) { io.WriteString(qemu, line+"\r\n") }
		go func() {
			for i := 1; heard.Scan(); i++ {
				switch i {
				case 1, 2: // too late
					time.Sleep(time.Minute)
					say(fmt.Sprintf(`{"return": {}, "id": %d}`, i))
				case 3:
					say(`{"error": {"class": "GenericError", "desc": "no nic9"}, "id": 3}`)
				case 4:
					say(`{"event": "STOP"}`)
					say(`{"return": {}, "id": 4}`)
				}
			}
		}()
		for range 2 {
			short, cancel := context.WithTimeout(t.Context(), time.Second)
			if err := m.do(short, "stop", nil); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("command without an answer: %v", err)
			}
			cancel()
			time.Sleep(2 * time.Minute)
		}
		if err := m.do(t.Context(), "set_link", map[string]any{"name": "nic9"}); err == nil || !strings.Contains(err.Error(), "no nic9") {
			t.Errorf("refused command: %v", err)
		}
		if err := m.do(t.Context(), "cont", nil); err != nil {
			t.Error(err)
		}
	})
}

func TestAnswersThatNobodyTakesDoNotStopTheMonitor(t *testing.T) {
	withMonitor(t, func(t *testing.T, m *monitor, qemu net.Conn, heard *bufio.Scanner) {
		for i := 1; i <= 3; i++ {
			fmt.Fprintf(qemu, `{"return": {}, "id": %d}`+"\r\n", i)
		}
	})
}

func TestEndOfQEMUEndsACommand(t *testing.T) {
	withMonitor(t, func(t *testing.T, m *monitor, qemu net.Conn, heard *bufio.Scanner) {
		go func() {
			heard.Scan()
			qemu.Close()
		}()
		if err := m.do(t.Context(), "stop", nil); !errors.Is(err, errMonitorClosed) {
			t.Errorf("command: %v", err)
		}
	})
}

func TestLinksAreAwaited(t *testing.T) {
	withMonitor(t, func(t *testing.T, m *monitor, qemu net.Conn, heard *bufio.Scanner) {
		say := func(event, netdev string) {
			fmt.Fprintf(qemu, `{"event": "NETDEV_STREAM_%s", "data": {"netdev-id": %q}}`+"\r\n", event, netdev)
		}
		up := make(chan error, 1)
		go func() { up <- m.waitLink(t.Context(), "n2", true) }()
		say("CONNECTED", "n1")
		synctest.Wait()
		select {
		case err := <-up:
			t.Fatalf("another link was taken for it: %v", err)
		default:
		}
		say("CONNECTED", "n2")
		if err := <-up; err != nil {
			t.Error(err)
		}
		say("DISCONNECTED", "n2")
		synctest.Wait()
		if err := m.waitLink(t.Context(), "n2", false); err != nil {
			t.Error(err)
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := m.waitLink(short, "n2", true); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("link that is down: %v", err)
		}
	})
}
