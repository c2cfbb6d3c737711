package demo

import "syscall"

// apart keeps Ctrl-C at the console from the writers: the director stops them.
func apart() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}
