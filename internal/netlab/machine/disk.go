//go:build linux

package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrBusy is returned when another cluster runs in the same directory.
var ErrBusy = errors.New("another lab runs in this directory")

const diskName = "export.img"

// lockDir keeps every other process out of the directory for as long as it is open.
func lockDir(dir *os.File) error {
	err := unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return fmt.Errorf("%s: %w: end it or choose another directory", dir.Name(), ErrBusy)
	}
	return err
}

// makeDisk makes the file system that the server exports: a sparse file, which takes the host some milliseconds.
func (c *Cluster) makeDisk(ctx context.Context) error {
	var s unix.Statfs_t
	if err := unix.Fstatfs(int(c.dir.Fd()), &s); err != nil {
		return err
	}
	if free := int64(s.Bavail) * s.Bsize; free < c.config.Disk {
		return fmt.Errorf("%s: %w: the exported disk may grow to %d MiB, %d MiB are free: choose another directory or a smaller disk",
			c.config.Dir, syscall.ENOSPC, c.config.Disk>>20, free>>20)
	}
	path := filepath.Join(c.config.Dir, diskName)
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		return err
	}
	if err := os.Truncate(path, c.config.Disk); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, c.config.Image.Mkfs, "-q", "-F", path)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("mkfs.ext4: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}
