//go:build unix

package demo

import "syscall"

// canFreeze: SIGSTOP cannot be caught, so the process does nothing at all.
const canFreeze = true

func (c *child) freeze() error { return c.cmd.Process.Signal(syscall.SIGSTOP) }
func (c *child) wake() error   { return c.cmd.Process.Signal(syscall.SIGCONT) }
