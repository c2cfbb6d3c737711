//go:build linux

// Guest is the program inside each machine of the lab. It speaks package wire over a virtio-serial port: it runs the machine's
// setup, then puts files, runs programs, streams what they print and takes what they read, until the machine ends.
//
// Usage: guest SETUP
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/holdfastdb/holdfast/internal/netlab/guest/wire"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "guest: usage: guest SETUP")
		os.Exit(2)
	}
	fmt.Fprintln(os.Stderr, "guest:", serve(os.Args[1]))
	os.Exit(1)
}

// serve answers the host until the port is closed, which is always an error.
func serve(setup string) error {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return err
	}
	port, err := openPort()
	if err != nil {
		return err
	}
	a := &agent{boot: strings.TrimSpace(string(boot)), to: port, processes: map[int64]*process{}}
	// What a machine said before it was reset may have ended in the middle of a line.
	if _, err := port.WriteString("\n"); err != nil {
		return err
	}
	a.send(wire.Event{Kind: wire.KindHello})
	go func() { a.send(wire.Event{Kind: wire.KindReady, Err: text(runSetup(setup))}) }()
	return a.listen(port)
}

// runSetup prints to the console, not to a pipe: the daemons it starts keep their output for ever.
func runSetup(path string) error {
	c := exec.Command(path)
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	return c.Run()
}

// listen obeys one request after the other. A line that is no request is the rest of one that a reset has cut in two.
func (a *agent) listen(port io.Reader) error {
	lines := bufio.NewReaderSize(port, 64<<10)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return fmt.Errorf("port: %w", err)
		}
		var r wire.Request
		if json.Unmarshal(line, &r) == nil && r.Boot == a.boot {
			a.obey(r)
		}
	}
}

// openPort waits for the port to appear: its name is told by the host some moments after the driver is loaded, and without udev
// nothing announces it.
func openPort() (*os.File, error) {
	for range 1000 {
		names, err := filepath.Glob("/sys/class/virtio-ports/*/name")
		if err != nil {
			return nil, err
		}
		for _, n := range names {
			if b, err := os.ReadFile(n); err == nil && strings.TrimSpace(string(b)) == wire.Port {
				// A descriptor in blocking mode: the port says "end of file" to one that polls it before the host is there.
				fd, err := unix.Open("/dev/"+filepath.Base(filepath.Dir(n)), unix.O_RDWR|unix.O_CLOEXEC, 0)
				return os.NewFile(uintptr(fd), wire.Port), err
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil, errors.New("no virtio-serial port " + wire.Port)
}

// text is the message of err, or "" if there is none.
func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
