package fstype

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestClassify(t *testing.T) {
	const overlay, fuse, ext4 = 0x794c7630, 0x65735546, 0xef53
	under := map[string]Type{
		"/srv/ceph/up":  {"ceph", true},
		"/srv/disk/up":  {"ext4", false},
		"/srv/with a,b": {"cifs", true},
	}
	tests := []struct {
		name  string
		magic uint32
		mount Mount
		want  Type
	}{
		{"ext4", ext4, Mount{Type: "ext4"}, Type{"ext4", false}},
		{"ext3 has the number of ext4", ext4, Mount{Type: "ext3"}, Type{"ext3", false}},
		{"no /proc", ext4, Mount{}, Type{"ext4", false}},
		{"xfs", 0x58465342, Mount{}, Type{"xfs", false}},
		{"btrfs", 0x9123683e, Mount{}, Type{"btrfs", false}},
		{"tmpfs", 0x01021994, Mount{}, Type{"tmpfs", false}},
		{"zfs", 0x2fc12fc1, Mount{}, Type{"zfs", false}},
		{"nfs", 0x6969, Mount{}, Type{"nfs", true}},
		{"nfs 4", 0x6969, Mount{Type: "nfs4"}, Type{"nfs4", true}},
		{"cifs", 0xff534d42, Mount{}, Type{"cifs", true}},
		{"smb 3", 0xfe534d42, Mount{Type: "smb3"}, Type{"smb3", true}},
		{"smbfs", 0x517b, Mount{}, Type{"smb", true}},
		{"9p", 0x01021997, Mount{}, Type{"9p", true}},
		{"afs", 0x5346414f, Mount{}, Type{"afs", true}},
		{"ceph", 0x00c36400, Mount{}, Type{"ceph", true}},
		{"gfs2", 0x01161970, Mount{}, Type{"gfs2", true}},
		{"ocfs2", 0x7461636f, Mount{}, Type{"ocfs2", true}},
		{"lustre", 0x0bd00bd0, Mount{}, Type{"lustre", true}},
		{"fuse without /proc", fuse, Mount{}, Type{"fuse", true}},
		{"sshfs", fuse, Mount{Type: "fuse.sshfs"}, Type{"fuse.sshfs", true}},
		{"virtiofs", fuse, Mount{Type: "virtiofs"}, Type{"virtiofs", true}},
		{"ntfs-3g", fuse, Mount{Type: "fuseblk"}, Type{"fuseblk", false}},
		{"unknown", 0xabcdef, Mount{Type: "newfs"}, Type{"newfs", true}},
		{"unknown without /proc", 0xabcdef, Mount{}, Type{"unknown (0xabcdef)", true}},
		{"overlay", overlay, Mount{Type: "overlay"}, Type{"overlay", false}},
		{"overlay over a disk", overlay, Mount{Type: "overlay", options: "rw,upperdir=/srv/disk/up"}, Type{"overlay", false}},
		{"overlay over a network", overlay, Mount{Type: "overlay", options: "rw,lowerdir=/x,upperdir=/srv/ceph/up,workdir=/y"}, Type{"overlay over ceph", true}},
		{"overlay over an odd name", overlay, Mount{Type: "overlay", options: `upperdir=/srv/with\040a\054b`}, Type{"overlay over cifs", true}},
		{"overlay of another namespace", overlay, Mount{Type: "overlay", options: "upperdir=/elsewhere"}, Type{"overlay", false}},
		{"overlay, relative", overlay, Mount{Type: "overlay", options: "upperdir=srv/ceph/up"}, Type{"overlay", false}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := classify(tt.magic, tt.mount, func(path string) (Type, error) {
				if u, ok := under[path]; ok {
					return u, nil
				}
				return Type{Name: "wrong", Network: true}, fs.ErrNotExist
			})
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("classify(0x%x) (-want +got):\n%s", tt.magic, diff)
			}
		})
	}
}

func TestFindMount(t *testing.T) {
	const info = `22 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw
36 22 0:44 /sub /mnt/with\040blank rw shared:7 master:3 - fuse.x\134y host:/dir rw,upperdir=/a\040b
37 22 0:45 / /broken
`
	got, err := findMount(bufio.NewScanner(strings.NewReader(info)), "36")
	if err != nil {
		t.Fatal(err)
	}
	want := Mount{Device: "0:44", Type: `fuse.x\y`, options: `rw,upperdir=/a\040b`}
	if got != want || got.Option("upperdir") != "/a b" || got.Option("up") != "" {
		t.Errorf("mount 36 = %+v, want %+v", got, want)
	}
	if !got.Has("rw") || got.Has("upperdir") || got.Has("r") {
		t.Errorf("mount 36 has rw %v, upperdir %v, r %v", got.Has("rw"), got.Has("upperdir"), got.Has("r"))
	}
	for _, id := range []string{"37", "38", ""} {
		if m, err := findMount(bufio.NewScanner(strings.NewReader(info)), id); err == nil {
			t.Errorf("mount %q = %+v, want an error", id, m)
		}
	}
}

func TestMountOf(t *testing.T) {
	f, err := os.Open("/proc/version")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if m, err := MountOf(f); err != nil || m.Type != "proc" {
		t.Errorf("mount of /proc = %+v, %v, want type proc", m, err)
	}
}

func TestOfRealOverlay(t *testing.T) {
	const script = `set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1/lower" "$1/upper" "$1/work" "$1/merged"
mount -t overlay overlay -o "lowerdir=$1/lower,upperdir=$1/upper,workdir=$1/work" "$1/merged"
# From here on the name of the upper directory leads back to the overlay itself,
# as it may by chance in a container.
mount --bind "$1/merged" "$1/upper"
shift
exec "$@"`
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cmd := exec.Command("unshare", "--mount", "sh", "-c", script, "sh", dir, exe, "-test.run=^TestOfTellsParent$")
	if os.Getuid() != 0 {
		cmd.Args = append([]string{"unshare", "--user", "--map-root-user"}, cmd.Args[1:]...)
	}
	cmd.Env = append(os.Environ(), pathEnv+"="+filepath.Join(dir, "merged", "new.db"))
	out, err := cmd.CombinedOutput()
	if err != nil && !strings.Contains(string(out), "--- FAIL") {
		t.Skipf("NOT TESTED HERE, this system lets nobody mount an overlay: %v: %s", err, out)
	}
	if want := "is {overlay false} <nil>"; err != nil || !strings.Contains(string(out), want) {
		t.Errorf("%v: %s, want %q", err, out, want)
	}
}

const pathEnv = "FSTYPE_TEST_PATH"

// TestOfTellsParent is run by TestOfRealOverlay in another mount namespace.
func TestOfTellsParent(t *testing.T) {
	path, ok := os.LookupEnv(pathEnv)
	if !ok {
		return
	}
	got, err := Of(path)
	os.Stdout.WriteString(path + " is " + fmt.Sprint(got, err) + "\n")
}

func TestOfShm(t *testing.T) {
	if _, err := os.Stat("/dev/shm"); errors.Is(err, fs.ErrNotExist) {
		return
	}
	got, err := Of("/dev/shm/not there yet.db")
	if want := (Type{"tmpfs", false}); err != nil || got != want {
		t.Errorf("Of /dev/shm = %v, %v, want %v", got, err, want)
	}
}

func TestOfProc(t *testing.T) {
	// Not a place for a database, so not in the list, so not called local.
	got, err := Of("/proc/version")
	if want := (Type{"proc", true}); err != nil || got != want {
		t.Errorf("Of /proc/version = %v, %v, want %v", got, err, want)
	}
}
