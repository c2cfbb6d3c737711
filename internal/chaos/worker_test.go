//go:build linux

package chaos

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	_ "github.com/holdfastdb/holdfast"
	_ "github.com/holdfastdb/holdfast/backends/kubelease"
	_ "github.com/holdfastdb/holdfast/backends/s3lease"
	"github.com/holdfastdb/holdfast/internal/testservers"
)

// The environment that makes this test binary one of the roles.
const (
	roleEnv      = "HOLDFAST_CHAOS_ROLE"
	settingsEnv  = "HOLDFAST_CHAOS_SETTINGS"
	containedEnv = "HOLDFAST_CHAOS_CONTAINED"
)

// roles are what the processes do. They end with their input, or by themselves.
var roles = map[string]func() error{
	"nobody": func() error { return nil },
	"agent":  agent,
	"rival":  rival,
	"storm":  stormWorker,
	"crash":  crashWorker,
}

func TestMain(m *testing.M) {
	role, ok := os.LookupEnv(roleEnv)
	if !ok {
		testservers.Main(m)
	}
	if err := perform(role); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", role, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func perform(role string) error {
	if os.Getenv(containedEnv) != "" {
		if err := moveIn(); err != nil {
			return err
		}
	}
	return roles[role]()
}

// moveIn makes /proc show the pid namespace that the process is the first of.
func moveIn() error {
	if pid := os.Getpid(); pid != 1 {
		return fmt.Errorf("pid %d in a new namespace, want 1", pid)
	}
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := syscall.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	return nil
}

// settings reads what the process was started with.
func settings(v any) error { return json.Unmarshal([]byte(os.Getenv(settingsEnv)), v) }

var saying sync.Mutex

// say writes one line. The kernel has it when say returns, so it is heard even if
// the process is killed next.
func say(v any) {
	line, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	saying.Lock()
	defer saying.Unlock()
	os.Stdout.Write(append(line, '\n'))
}

// listen calls f with each line of the input.
func listen[T any](f func(T)) error {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		var v T
		if err := json.Unmarshal(in.Bytes(), &v); err != nil {
			return err
		}
		f(v)
	}
	return in.Err()
}

// monotonic returns CLOCK_MONOTONIC in nanoseconds, which is one for all processes
// of the host.
func monotonic() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(err)
	}
	return ts.Nano()
}
