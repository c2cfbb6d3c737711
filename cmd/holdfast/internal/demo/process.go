package demo

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

// A child is one writer process, as the director sees it.
type child struct {
	name string
	cmd  *exec.Cmd
	in   io.WriteCloser
	said strings.Builder // what it wrote to its standard error
}

// startChild starts a writer, whose events go to events until it has ended.
func startChild(command []string, role Role, events chan<- event) (*child, error) {
	c := &child{name: role.Name}
	c.cmd = exec.Command(command[0], append(command[1:], "--dsn", role.DSN, "--name", role.Name, "--stopped-clock", role.Lock)...)
	c.cmd.Stderr = &c.said
	c.cmd.SysProcAttr = apart()
	var err error
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start writer %s: %w", c.name, err)
	}
	go c.listen(out, events)
	return c, nil
}

// listen reads events to the end of the pipe, so that what was acknowledged before
// a kill is counted, and then waits for the process.
func (c *child) listen(out io.Reader, events chan<- event) {
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			continue // the last line of a process that was killed may be cut
		}
		e.writer = c.name
		events <- e
	}
	c.cmd.Wait()
	events <- event{At: time.Now(), Kind: gone, Reason: strings.TrimSpace(c.said.String()), writer: c.name}
}

func (c *child) tell(order command) error {
	_, err := io.WriteString(c.in, string(order)+"\n")
	return err
}

func (c *child) kill() { c.cmd.Process.Kill() }
