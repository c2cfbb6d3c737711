//go:build linux

package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfastdb/holdfast/internal/netlab/image"
)

func TestConfig(t *testing.T) {
	tests := []struct {
		name   string
		config Config
		want   string // part of the error
	}{
		{"defaults", Config{Dir: "d", Clients: 1}, ""},
		{"bounds", Config{Dir: "d", Clients: 16, Disk: 8 << 30, NFSLease: 10 * time.Second, NFSGrace: time.Hour, Accel: "kvm"}, ""},
		{"no directory", Config{Clients: 1}, "no directory"},
		{"no clients", Config{Dir: "d"}, "0 clients: want 1 to 16"},
		{"too many clients", Config{Dir: "d", Clients: 17}, "17 clients"},
		{"tiny disk", Config{Dir: "d", Clients: 1, Disk: 1 << 20}, "64 MiB to 8 GiB"},
		{"huge disk", Config{Dir: "d", Clients: 1, Disk: 9 << 30}, "64 MiB to 8 GiB"},
		{"short lease", Config{Dir: "d", Clients: 1, NFSLease: time.Second}, "NFS lease or grace period of 1s"},
		{"half seconds", Config{Dir: "d", Clients: 1, NFSGrace: 10500 * time.Millisecond}, "whole seconds"},
		{"acceleration", Config{Dir: "d", Clients: 1, Accel: "xen"}, `acceleration "xen"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			switch _, err := tt.config.withDefaults(); {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("error %v, want %q in it", err, tt.want)
			}
		})
	}
}

func TestMounts(t *testing.T) {
	var got []string
	for _, m := range Mounts {
		got = append(got, fmt.Sprint("mount -t ", m.Kind, " -o ", m.Options, " ", m.Source, " ", m.Dir()))
		if again, err := MountNamed(m.Name); err != nil || again != m {
			t.Errorf("MountNamed(%q) = %+v, %v", m.Name, again, err)
		}
	}
	const smb = "mount -t cifs -o username=root,password=pw,vers=3.1.1,nosharesock"
	want := []string{
		"mount -t nfs -o vers=3 10.77.0.1:/srv/export /mnt/nfs3",
		"mount -t nfs -o vers=4.0 10.77.0.1:/ /mnt/nfs40",
		"mount -t nfs -o vers=4.2 10.77.0.1:/ /mnt/nfs42",
		smb + " //10.77.0.1/share /mnt/smb",
		smb + ",nolease //10.77.0.1/share /mnt/smb-nolease",
		smb + ",nobrl //10.77.0.1/share /mnt/smb-nobrl",
		smb + ",cache=none //10.77.0.1/share /mnt/smb-none",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mounts (-want +got):\n%s", diff)
	}
	if _, err := MountNamed("afs"); err == nil || !strings.Contains(err.Error(), `"nfs42"`) {
		t.Errorf("a mount that is none: %v", err)
	}
}

// fakeQEMU is an image whose QEMU is a shell script; it writes its process number to the file pid in the cluster's directory.
func fakeQEMU(t *testing.T, script string) image.Image {
	t.Helper()
	path := filepath.Join(t.TempDir(), "qemu")
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho $$ >pid\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	return image.Image{QEMU: path, Mkfs: "true"}
}

func TestBootThatFailsLeavesNothing(t *testing.T) {
	tests := []struct {
		name, script, want string
		limit              time.Duration
	}{
		{"QEMU fails", "echo 'no such board' >&2; exit 1", "no such board", 20 * time.Second},
		{"QEMU hangs", "exec sleep 1000", "deadline exceeded", 2 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			ctx, cancel := context.WithTimeout(t.Context(), tt.limit)
			defer cancel()
			_, err := Boot(ctx, Config{Dir: dir, Image: fakeQEMU(t, tt.script), Clients: 2, Accel: "tcg"})
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "machine: server: ") {
				t.Errorf("error %v, want %q in it", err, tt.want)
			}
			var pid int
			b, err := os.ReadFile(filepath.Join(dir, "pid"))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := fmt.Sscan(string(b), &pid); err != nil {
				t.Fatal(err)
			}
			if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
				t.Errorf("QEMU is there: %v", err)
			}
			left, err := filepath.Glob(filepath.Join(dir, "*"))
			if err != nil || len(left) != 1 { // pid
				t.Errorf("left: %q, %v", left, err)
			}
			c := openedCluster(t, dir) // the lock, too
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// openedCluster is a cluster that has its directory, and no machines.
func openedCluster(t *testing.T, dir string) *Cluster {
	t.Helper()
	c := &Cluster{config: Config{Dir: dir}, spawner: newSpawner()}
	c.closing = c.close
	if err := c.openDir(); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestBusyDirectory(t *testing.T) {
	dir := t.TempDir()
	c := openedCluster(t, dir)
	_, err := Boot(t.Context(), Config{Dir: dir, Clients: 1, Image: fakeQEMU(t, "exit 1")})
	if !errors.Is(err, ErrBusy) || strings.Contains(err.Error(), "\n") {
		t.Errorf("boot: %v, want %v", err, ErrBusy)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func TestSocketInADeepDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("directory/", 20))
	c := openedCluster(t, dir)
	l, err := c.listen("link1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "link1")); err != nil {
		t.Error(err)
	}
	c.links = append(c.links, l)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "link1")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
}

func TestDiskNeedsSpace(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can mount a file system that is full")
	}
	dir := t.TempDir()
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Fatal(err)
	}
	defer syscall.Unmount(dir, 0)
	_, err := Boot(t.Context(), Config{Dir: dir, Clients: 1, Image: fakeQEMU(t, "exit 1"), Accel: "tcg"})
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "1024 MiB") || strings.Contains(err.Error(), "\n") {
		t.Errorf("boot: %v", err)
	}
}
