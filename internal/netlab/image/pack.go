//go:build linux

package image

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// What a machine holds, by its role.
type contents struct {
	programs []string // found by name
	modules  []string
	files    map[string]string // path and text
	dirs     []string
}

// Where programs lie.
var programDirs = []string{"usr/sbin", "usr/bin", "usr/libexec/samba"}

var common = contents{
	programs: []string{"busybox", "kmod", "rpcbind", "rpc.statd", "sm-notify", "sqlite3"},
	modules:  []string{"virtio_pci", "virtio_console", "virtio_net"},
	files: map[string]string{
		"etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n" +
			"_rpc:x:100:65534::/run/rpcbind:/bin/false\nstatd:x:101:65534::/var/lib/nfs:/bin/false\n",
		"etc/group":         "root:x:0:\nnogroup:x:65534:\n",
		"etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\nservices: files\nprotocols: files\nrpc: files\n",
		"etc/hosts":         hosts(),
		"etc/nfs.conf":      "",
		"etc/fstab":         "",
	},
	dirs: []string{"dev", "proc", "sys", "tmp", "run", "mnt", "root", "var/log/samba", "var/cache/samba", "var/lib/samba",
		"var/lib/nfs/sm", "var/lib/nfs/sm.bak", "var/lib/nfs/rpc_pipefs", "srv"},
}

var client = contents{
	programs: []string{"mount.nfs", "mount.cifs"},
	// SMB's ciphers and digests; kernels differ in which of them are modules, and newer ones have some no more.
	modules: []string{"nfs", "nfsv3", "nfsv4", "cifs", "ccm?", "gcm?", "cmac?", "ctr?", "seqiv?", "ecb?", "cts?", "md4?", "md5?",
		"hmac?", "sha256_generic?", "sha512_generic?", "aes_generic?", "des_generic?", "libdes?", "ghash_generic?"},
}

var server = contents{
	programs: []string{"smbd", "smbpasswd", "smbstatus", "samba-dcerpcd", "rpcd_classic",
		"rpc.nfsd", "rpc.mountd", "exportfs", "nfsdcld"},
	modules: []string{"virtio_blk", "ext4", "nfsd", "bridge"},
}

// Tables of names that the NFS programs read, taken over from the packages.
var tables = []string{"etc/netconfig", "etc/protocols", "etc/services", "etc/rpc"}

// hosts names the machines; NFS tells clients apart by their names.
func hosts() string {
	var b strings.Builder
	b.WriteString("127.0.0.1 localhost\n10.77.0.1 server\n")
	for i := 1; i <= MaxClients; i++ {
		fmt.Fprintf(&b, "%s client%d\n", ClientAddress(i), i)
	}
	return b.String()
}

// MaxClients is how many clients the server has room for cables for.
const MaxClients = 16

// ServerAddress is the file server's address in the lab's network.
const ServerAddress = "10.77.0.1"

// ClientAddress is the address of client i, counted from 1.
func ClientAddress(i int) string { return fmt.Sprintf("10.77.0.%d", 10+i) }

// pack makes the image's files from the unpacked packages.
func (b *builder) pack(ctx context.Context, t *tree, to Image) error {
	kernel, err := t.kernelVersion()
	if err != nil {
		return err
	}
	if err := t.depmod(ctx, kernel); err != nil {
		return err
	}
	if err := copyFile(filepath.Join(t.dir, "boot/vmlinuz-"+kernel), to.Kernel); err != nil {
		return err
	}
	for path, special := range map[string]contents{to.Client: client, to.Server: server} {
		if err := b.packOne(t, kernel, path, special); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(path), err)
		}
	}
	return nil
}

// packOne writes the initial file system of one role.
func (b *builder) packOne(t *tree, kernel, path string, special contents) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	a := newArchive(f)
	for _, m := range merged {
		a.dir("usr/" + m)
		a.link(m, "usr/"+m)
	}
	for _, d := range common.dirs {
		a.dir(d)
	}
	for name, text := range common.files {
		a.text(name, 0o644, text)
	}
	if err := b.packOwn(a); err != nil {
		return err
	}
	if err := t.packPrograms(a, append(slices.Clone(common.programs), special.programs...)); err != nil {
		return err
	}
	modules, err := t.modules(kernel, append(slices.Clone(common.modules), special.modules...))
	if err != nil {
		return err
	}
	for _, name := range append(modules, tables...) {
		a.file(name, filepath.Join(t.dir, name))
	}
	a.link("etc/mtab", "/proc/self/mounts")
	a.link("var/run", "/run")
	for _, l := range []string{"usr/sbin/modprobe", "usr/sbin/rmmod"} {
		a.link(l, "../bin/kmod")
	}
	if err := a.close(); err != nil {
		return err
	}
	return f.Close()
}

// packOwn adds the lab's own files.
func (b *builder) packOwn(a *archive) error {
	for name, path := range map[string]string{"init": "init", "setup": "etc/setup", "smb.conf": "etc/samba/smb.conf"} {
		text, err := inputs.ReadFile("files/" + name)
		if err != nil {
			return err
		}
		a.text(path, 0o755, string(text))
	}
	a.file("usr/bin/guest", b.guest)
	return nil
}

// packPrograms adds programs and the libraries they need, each at its own path.
func (t *tree) packPrograms(a *archive, names []string) error {
	var paths []string
	for _, n := range names {
		p, err := t.findIn(programDirs, n)
		if err != nil {
			return err
		}
		paths = append(paths, p)
	}
	libraries, err := t.closure(paths...)
	if err != nil {
		return err
	}
	for _, p := range append(paths, libraries...) {
		a.file(p, filepath.Join(t.dir, p))
	}
	return nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}
