package demo

import "syscall"

// apart keeps Ctrl-C at the terminal from the writers: the director stops them. If
// it is killed itself, so are they, even one that is frozen.
func apart() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
