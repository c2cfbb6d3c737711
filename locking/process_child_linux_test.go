package locking

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

// childEnv makes the test binary one of childRoles instead.
const childEnv = "LOCKING_TEST_CHILD"

var childRoles map[string]func()

func init() {
	childRoles = map[string]func(){
		"live":      live,
		"headless":  headless,
		"judge":     judge,
		"family":    family,
		"lookalike": lookalike,
	}
	role, ok := os.LookupEnv(childEnv)
	if !ok {
		return
	}
	childRoles[role]()
	os.Exit(0)
}

// live tells who it is and stays until its input ends.
func live() {
	tell(Self())
	io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

// headless is live without its main thread.
func headless() {
	identity() // the files in /proc/self/ns vanish with the main thread
	endMainThread(live)
}

func tell(v any) {
	if err := json.NewEncoder(os.Stdout).Encode(v); err != nil {
		log.Fatal(err)
	}
}

// A child is another process of this test binary.
type child struct {
	cmd    *exec.Cmd
	self   Holder // as it told itself
	stdin  io.WriteCloser
	stdout *bufio.Reader
	reaped bool
}

// startChild starts the test binary in a role that tells its Holder first, if
// need be behind another command such as unshare.
func startChild(t testing.TB, role string, behind ...string) *child {
	t.Helper()
	c, err := newChild(role, behind...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.stdin.Close()
		if !c.reaped {
			c.cmd.Process.Kill()
			c.cmd.Wait()
		}
	})
	return c
}

func newChild(role string, behind ...string) (*child, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := append(behind, exe)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), childEnv+"="+role)
	cmd.Stderr = os.Stderr
	c := &child{cmd: cmd}
	if c.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c.stdout = bufio.NewReader(out)
	if err := c.read(&c.self); err != nil {
		cmd.Process.Kill()
		cmd.Wait()
		return nil, fmt.Errorf("%s: %w", strings.Join(args, " "), err)
	}
	return c, nil
}

func (c *child) read(v any) error {
	line, err := c.stdout.ReadBytes('\n')
	if err != nil {
		return err
	}
	return json.Unmarshal(line, v)
}

func (c *child) pid() string { return strconv.Itoa(c.cmd.Process.Pid) }

// kill returns when the child is a zombie.
func (c *child) write(v any) error { return json.NewEncoder(c.stdin).Encode(v) }

// kill returns when the child is a zombie.
func (c *child) kill() error {
	if err := c.cmd.Process.Kill(); err != nil {
		return err
	}
	return c.await(wExited)
}

func (c *child) reap() error {
	c.reaped = true
	if err := c.cmd.Wait(); err == nil {
		return errors.New("the child ended by itself")
	}
	return nil
}

// What await can wait for.
const (
	wStopped = 2 // WSTOPPED
	wExited  = 4 // WEXITED
)

// await returns when the kernel has done to the child what events says. It leaves
// a dead child unreaped.
func (c *child) await(events uintptr) error {
	const pPID, wNoWait = 1, 0x01000000
	var info [128]byte // siginfo_t
	for {
		_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, pPID, uintptr(c.cmd.Process.Pid),
			uintptr(unsafe.Pointer(&info)), events|wNoWait, 0, 0)
		switch errno {
		case 0:
			return nil
		case syscall.EINTR:
		default:
			return fmt.Errorf("waitid: %w", errno)
		}
	}
}

// endMainThread ends the main thread alone and goes on elsewhere. It is called
// from init, which runs on the main thread.
func endMainThread(goOn func()) {
	go func() {
		for {
			if st, ok := readProcessStat("self"); ok && st.state == "Z" {
				break
			}
			runtime.Gosched()
		}
		goOn()
	}()
	syscall.Syscall(syscall.SYS_EXIT, 0, 0, 0)
}
