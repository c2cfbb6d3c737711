//go:build unix && !linux

package demo

import "syscall"

// apart keeps Ctrl-C at the terminal from the writers: the director stops them.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
