package testservers

import (
	"os/exec"
	"syscall"
)

// dieWithParent has the kernel kill a process when this one ends, however it does, or ask it
// to end if it has others of its own.
func dieWithParent(cmd *exec.Cmd, ask bool) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if ask {
		cmd.SysProcAttr.Pdeathsig = syscall.SIGTERM
		cmd.SysProcAttr.Setpgid = true // Apache asks its whole group to end
	}
}
