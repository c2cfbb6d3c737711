//go:build linux

package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// tools are the paths of the host's programs.
type tools struct{ qemu, mkfs, apt, dpkg, golang string }

// findTools finds every program, or names all that are missing and the packages they come in.
func findTools(ctx context.Context) (tools, error) {
	if runtime.GOARCH != "amd64" {
		return tools{}, fmt.Errorf("the lab's machines are amd64 only, this is %s", runtime.GOARCH)
	}
	var t tools
	var missing, packages []string
	for _, w := range []struct {
		path          *string
		name, pkgName string
	}{
		{&t.qemu, "qemu-system-x86_64", "qemu-system-x86"},
		{&t.mkfs, "mkfs.ext4", "e2fsprogs"},
		{&t.apt, "apt-get", ""}, // these two cannot be installed: they are what Debian and Ubuntu install with
		{&t.dpkg, "dpkg-deb", ""},
		{&t.golang, "go", "golang"},
	} {
		if *w.path = findProgram(w.name); *w.path == "" {
			missing = append(missing, w.name)
			if w.pkgName != "" {
				packages = append(packages, w.pkgName)
			}
		}
	}
	switch {
	case t.apt == "" || t.dpkg == "":
		return tools{}, fmt.Errorf("missing %s: the lab needs Debian or Ubuntu", strings.Join(missing, ", "))
	case len(missing) > 0:
		return tools{}, fmt.Errorf("missing %s: install it with: apt-get install --no-install-recommends %s",
			strings.Join(missing, ", "), strings.Join(packages, " "))
	}
	return t, checkQEMU(ctx, t.qemu)
}

// findProgram also looks where an ordinary user's PATH does not: mkfs.ext4 needs no root to format a file.
func findProgram(name string) string {
	for _, n := range []string{name, "/usr/sbin/" + name, "/sbin/" + name} {
		if p, err := exec.LookPath(n); err == nil {
			return p
		}
	}
	return ""
}

// checkQEMU refuses a QEMU that has no network over Unix sockets, which came with 7.2.
func checkQEMU(ctx context.Context, path string) error {
	out, err := output(ctx, exec.CommandContext(ctx, path, "--version"))
	if err != nil {
		return err
	}
	var major, minor int
	if _, err := fmt.Sscanf(out, "QEMU emulator version %d.%d", &major, &minor); err != nil {
		return fmt.Errorf("%s --version prints %.40q", path, out)
	}
	if major < 7 || major == 7 && minor < 2 {
		return fmt.Errorf("%s is version %d.%d: the lab needs 7.2 or newer", path, major, minor)
	}
	return nil
}

// output runs c and returns what it prints; the error holds the last line of what it complains about.
func output(ctx context.Context, c *exec.Cmd) (string, error) {
	var stdout, stderr strings.Builder
	c.Stdout, c.Stderr = &stdout, &stderr
	c.WaitDelay = 5 * time.Second
	err := c.Run()
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if err != nil {
		return "", &commandError{name: filepath.Base(c.Path), stderr: strings.TrimSpace(stderr.String()), err: err}
	}
	return stdout.String(), nil
}

// A commandError is that of a program of the host.
type commandError struct {
	name, stderr string
	err          error
}

func (e *commandError) Error() string {
	lines := strings.Split(e.stderr, "\n")
	return fmt.Sprintf("%s: %v: %s", e.name, e.err, lines[len(lines)-1])
}

// Is tells a full disk from what the program printed: the number of the error ended with the program.
func (e *commandError) Is(target error) bool {
	return target == syscall.ENOSPC && strings.Contains(e.stderr, "No space left on device")
}

func (e *commandError) Unwrap() error { return e.err }

// checkSpace fails if less is free than a build takes: better now than in the middle.
func checkSpace(dir string) error {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return err
	}
	if s.Bavail*uint64(s.Bsize) < spaceNeeded {
		return syscall.ENOSPC
	}
	return nil
}

// lock waits until no other process builds in the cache.
func lock(ctx context.Context, path string, log func(string)) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	// A lock that could be waited for could not be given up: flock knows no context.
	for told := false; ; told = true {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if !told {
			log("waiting for another lab that builds the image")
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, context.Cause(ctx)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
