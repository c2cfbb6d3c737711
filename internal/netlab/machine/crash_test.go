//go:build linux

package machine

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// childEnv names the directory in which a child of the test boots a cluster, to be killed.
const childEnv = "HOLDFAST_LAB_CHILD"

func TestKilledLabLeavesNothing(t *testing.T) {
	if dir := os.Getenv(childEnv); dir != "" {
		bootAndWait(t, dir)
		return
	}
	labImage(t) // here, so that the child finds it
	dir := t.TempDir()
	child := exec.Command(os.Args[0], "-test.run=^TestKilledLabLeavesNothing$", "-test.timeout=5m")
	child.Env = append(os.Environ(), childEnv+"="+dir)
	child.Stderr = os.Stderr
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var server, client int
	_, scanErr := fmt.Fscanf(stdout, "running %d %d\n", &server, &client)
	machines := []int{open(t, server), open(t, client)}
	child.Process.Kill()
	child.Wait()
	if scanErr != nil {
		t.Fatal(scanErr)
	}
	for _, fd := range machines {
		ended := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		if n, err := unix.Poll(ended, 10_000); n != 1 {
			t.Errorf("QEMU runs still: %v", err)
		}
		unix.Close(fd)
	}
	// What is left in the directory is in nobody's way.
	c := openedCluster(t, dir)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// open opens a process, so that its end can be awaited.
func open(t *testing.T, pid int) int {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Errorf("process %d: %v", pid, err)
	}
	return fd
}

// bootAndWait is the child: it says which processes are its machines, and waits to be killed.
func bootAndWait(t *testing.T, dir string) {
	c := bootLab(t, Config{Dir: dir, Clients: 1})
	// A machine that runs would notice by itself that its port is closed, and switch itself off.
	if err := c.Server.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	fmt.Printf("running %d %d\n", c.Server.inst.cmd.Process.Pid, c.Clients[0].inst.cmd.Process.Pid)
	time.Sleep(time.Minute)
}

func TestMachineThatDoesNotBoot(t *testing.T) {
	img := labImage(t)
	img.Server = filepath.Join(t.TempDir(), "not-a-file-system")
	if err := os.WriteFile(img.Server, []byte("nothing of use"), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err := Boot(ctx, Config{Dir: t.TempDir(), Clients: 1, Image: img, Accel: "tcg"})
	if err == nil || !strings.Contains(err.Error(), "server did not boot") || !strings.Contains(err.Error(), "Kernel panic") {
		t.Errorf("boot: %v", err)
	}
}
