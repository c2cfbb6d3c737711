package plugincheck

import (
	"context"
	"os/exec"
	"syscall"
)

// shell is a command that the shell runs. That takes its line as it is, quotes and all.
func shell(ctx context.Context, command string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "cmd")
	cmd.SysProcAttr = &syscall.SysProcAttr{CmdLine: `cmd /S /C "` + command + `"`}
	return cmd
}
