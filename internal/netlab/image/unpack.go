//go:build linux

package image

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

// A tree is the packages unpacked into one directory. Older packages have /bin, /lib and so on beside /usr/bin and /usr/lib, newer
// ones have not; in the tree, as in the machines, all lies in /usr, and every symbolic link is relative.
type tree struct {
	dir  string
	root *os.Root // dir, for writing: no package can write outside
}

// Directories that are links into /usr.
var merged = []string{"bin", "sbin", "lib", "lib64"}

// What no machine needs, by the beginning of its path: it is most of what there is.
var unneeded = []string{"usr/share/", "usr/lib/python3", "usr/include/", "var/"}

func newTree(dir string) (*tree, error) {
	for _, m := range merged {
		if err := os.MkdirAll(filepath.Join(dir, "usr", m), 0o755); err != nil {
			return nil, err
		}
		if err := os.Symlink("usr/"+m, filepath.Join(dir, m)); err != nil {
			return nil, err
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &tree{dir: dir, root: root}, nil
}

// unpack puts all packages into one tree.
func (b *builder) unpack(ctx context.Context) (*tree, error) {
	t, err := newTree(filepath.Join(b.tmp, "tree"))
	if err != nil {
		return nil, err
	}
	defer t.root.Close()
	for _, p := range b.packages {
		if err := b.unpackOne(ctx, t, filepath.Join(b.dir, "debs", p)); err != nil {
			return nil, fmt.Errorf("unpack %s: %w", p, err)
		}
	}
	return t, nil
}

// unpackOne reads the package as a tar archive rather than have it unpacked as it is: an archive's own directory /bin would take the
// place of the link into /usr.
func (b *builder) unpackOne(ctx context.Context, t *tree, deb string) error {
	c := exec.CommandContext(ctx, b.tools.dpkg, "--fsys-tarfile", deb)
	var complaint strings.Builder
	c.Stderr = &complaint
	stdout, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	readErr := t.extract(stdout)
	if readErr != nil {
		c.Cancel() // else it waits for ever to be read
	}
	if err := c.Wait(); err != nil && readErr == nil {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(complaint.String()))
	}
	return readErr
}

// extract writes what a tar archive holds and a machine may need.
func (t *tree) extract(r io.Reader) error {
	for a := tar.NewReader(r); ; {
		h, err := a.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if name := path.Clean(h.Name); name != "." && !needless(name) {
			if err := t.write(name, h, a); err != nil {
				return err
			}
		}
	}
}

func needless(name string) bool {
	for _, u := range unneeded {
		if strings.HasPrefix(name+"/", u) {
			return true
		}
	}
	return false
}

// write makes one file, link or directory. Whichever package comes later wins.
func (t *tree) write(name string, h *tar.Header, data io.Reader) error {
	if h.Typeflag == tar.TypeDir {
		return t.root.MkdirAll(name, 0o755)
	}
	if err := t.root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	if err := t.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	switch h.Typeflag {
	case tar.TypeReg:
		f, err := t.root.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600|fs.FileMode(h.Mode)&0o755)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, data)
		return errors.Join(err, f.Close())
	case tar.TypeSymlink:
		return t.root.Symlink(relative(name, h.Linkname), name)
	case tar.TypeLink:
		return t.root.Link(path.Clean(h.Linkname), name)
	default:
		return nil // a device or a pipe; the machines make their own
	}
}

// relative turns a link to an absolute path, which would leave the tree, into one that means the same inside a machine.
func relative(name, target string) string {
	if !path.IsAbs(target) {
		return target
	}
	for _, m := range merged { // from bin/x, up one would be "/" in the machine, but "/usr" in truth
		if strings.HasPrefix(name, m+"/") {
			name = "usr/" + name
		}
	}
	return strings.Repeat("../", strings.Count(name, "/")) + target[1:]
}
