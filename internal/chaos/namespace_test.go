//go:build linux

package chaos

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// contained returns what starts a process as the first of a pid namespace with a
// /proc of its own, as "unshare --pid --fork --mount-proc" does and as a container
// has it: for root directly, for others in a user namespace.
func contained(t testing.TB) wrap {
	t.Helper()
	w, refused := container(t)
	if w == nil && realRun() {
		t.Fatalf("%s=1, and this system lets nobody make a pid namespace:\n%s", realEnv, refused)
	}
	if w == nil {
		t.Skipf("NOT TESTED HERE: this system lets nobody make a pid namespace:\n%s", refused)
	}
	return w
}

// containedIfAllowed is contained, or host for a test that proves something without
// a namespace as well.
func containedIfAllowed(t testing.TB) wrap {
	t.Helper()
	if w, refused := container(t); w == nil && !realRun() {
		t.Logf("WITHOUT NAMESPACES: this system lets nobody make one:\n%s", refused)
		return host
	}
	return contained(t)
}

var found struct {
	sync.Mutex
	tried   bool
	wrap    wrap
	refused string
}

// container tries once what this system allows.
func container(t testing.TB) (w wrap, refused string) {
	found.Lock()
	defer found.Unlock()
	if found.tried {
		return found.wrap, found.refused
	}
	found.tried = true
	var why []string
	for _, way := range []struct {
		name  string
		flags uintptr
	}{
		{"as this user", 0},
		{"in a user namespace", syscall.CLONE_NEWUSER},
	} {
		w := unshare(way.flags)
		err := tryOut(t, w)
		if err == nil {
			found.wrap = w
			return w, ""
		}
		why = append(why, way.name+": "+err.Error())
	}
	found.refused = strings.Join(why, "\n")
	return nil, found.refused
}

func unshare(flags uintptr) wrap {
	return func(cmd *exec.Cmd) {
		cmd.Env = append(cmd.Env, containedEnv+"=1")
		a := cmd.SysProcAttr
		a.Cloneflags = flags | syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWIPC
		if flags&syscall.CLONE_NEWUSER != 0 {
			a.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
			a.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
		}
	}
}

// tryOut starts a process that does nothing. It does not use start, which fails the test.
func tryOut(t testing.TB, w wrap) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), roleEnv+"=nobody")
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	cmd.WaitDelay = 5 * time.Second
	w(cmd)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// host is a wrap that changes nothing.
func host(*exec.Cmd) {}
