//go:build linux

package machine

import (
	"os/exec"
	"runtime"
	"syscall"
)

// A spawner starts programs that the kernel kills when this process ends, even if it is killed itself. The kernel ties that to the
// thread that starts them, not to the process: so one thread starts them all, and lives as long as they do.
type spawner struct {
	work    chan func()
	stopped chan struct{}
}

func newSpawner() *spawner {
	s := &spawner{work: make(chan func()), stopped: make(chan struct{})}
	go func() {
		defer close(s.stopped)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for f := range s.work {
			f()
		}
	}()
	return s
}

// start starts c. It must not be called after stop.
func (s *spawner) start(c *exec.Cmd) error {
	c.SysProcAttr = &syscall.SysProcAttr{
		Pdeathsig: syscall.SIGKILL,
		Setpgid:   true, // an interrupt typed at the terminal is for the lab, which then ends its machines in order
	}
	done := make(chan error)
	s.work <- func() { done <- c.Start() }
	return <-done
}

// stop ends the thread. All programs must have ended.
func (s *spawner) stop() {
	close(s.work)
	<-s.stopped
}
