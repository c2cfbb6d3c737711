//go:build linux

package image

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// What the machines need besides a kernel; the names are the same in Debian and Ubuntu.
var packages = []string{"samba", "nfs-kernel-server", "nfs-common", "cifs-utils", "busybox-static", "kmod", "sqlite3"}

// The kernel made for virtual machines. Debian 12 is what the lab is tested with. Ubuntu's was never run; its plain virtual image
// lacks some file systems, hence "extra".
var kernels = map[string]string{
	"debian": "linux-image-cloud-amd64",
	"ubuntu": "linux-image-extra-virtual",
}

// kernelPackage chooses by the ID of the distribution, or else by those it says it is like, nearest first.
func kernelPackage(osRelease string) (string, error) {
	vars := map[string]string{}
	for line := range strings.Lines(osRelease) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			vars[k] = strings.Trim(v, `"'`)
		}
	}
	for _, id := range append([]string{vars["ID"]}, strings.Fields(vars["ID_LIKE"])...) {
		if k, ok := kernels[id]; ok {
			return k, nil
		}
	}
	return "", fmt.Errorf("this is %q: the names of the packages are known for Debian and Ubuntu only", vars["ID"])
}

// apt runs apt-get as if nothing were installed, so that packages come with all they depend on, and with archives of its own.
func (b *builder) apt(ctx context.Context, archives string, args ...string) (string, error) {
	if err := os.MkdirAll(filepath.Join(archives, "partial"), 0o755); err != nil {
		return "", err
	}
	all := append([]string{
		"-o", "Dir::State::status=/dev/null",
		"-o", "Dir::Cache=" + b.dir,
		"-o", "Dir::Cache::pkgcache=pkgcache.bin", // apt keeps here what it has parsed: half of the time of a second run
		"-o", "Dir::Cache::srcpkgcache=srcpkgcache.bin",
		"-o", "Dir::Cache::archives=" + archives,
		"-o", "APT::Sandbox::User=root",
		"-o", "Debug::NoLocking=1",
		"-qq", "-y", "--no-install-recommends",
	}, args...)
	c := exec.CommandContext(ctx, b.tools.apt, all...)
	c.Env = append(os.Environ(), "LC_ALL=C")
	return output(ctx, c)
}

// listPackages finds the names of all package files by asking what would be downloaded if there were none yet.
func (b *builder) listPackages(ctx context.Context) error {
	release, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return err
	}
	kernel, err := kernelPackage(string(release))
	if err != nil {
		return err
	}
	b.wanted = append([]string{kernel}, packages...)
	out, err := b.apt(ctx, filepath.Join(b.tmp, "none"), append([]string{"install", "--print-uris"}, b.wanted...)...)
	if err != nil {
		return fmt.Errorf(`%w; if the package lists are missing or old, run "apt-get update" as root`, err)
	}
	b.packages, err = parseURIs(out)
	return err
}

// parseURIs takes the file names from lines of the form: 'URI' FILE SIZE HASH.
func parseURIs(out string) ([]string, error) {
	var names []string
	for s := bufio.NewScanner(strings.NewReader(out)); s.Scan(); {
		f := strings.Fields(s.Text())
		if len(f) < 3 || !strings.HasSuffix(f[1], ".deb") {
			return nil, fmt.Errorf("apt-get --print-uris prints %.80q", s.Text())
		}
		names = append(names, f[1])
	}
	slices.Sort(names)
	return names, nil
}

// download fetches the packages that are not there yet, and removes those of earlier images.
func (b *builder) download(ctx context.Context) error {
	debs := filepath.Join(b.dir, "debs")
	if _, err := b.apt(ctx, debs, append([]string{"install", "--download-only"}, b.wanted...)...); err != nil {
		return fmt.Errorf(`%w; if the package lists are old, run "apt-get update" as root`, err)
	}
	there, err := filepath.Glob(filepath.Join(debs, "*.deb"))
	if err != nil {
		return err
	}
	for _, d := range there {
		if !slices.Contains(b.packages, filepath.Base(d)) {
			if err := os.Remove(d); err != nil {
				return err
			}
		}
	}
	return nil
}
