//go:build linux

// Package image makes what the lab's machines boot from: a kernel and two initial file systems, one for the file server and one for
// its clients, out of packages of the distribution that the host runs.
//
// Nothing is installed on the host and nothing needs root: the packages are only downloaded and unpacked. What the host itself must
// have (QEMU, mkfs.ext4, apt-get, dpkg, Go) is looked for, and named if it is missing. Only amd64, and only Debian 12, have been
// run; Ubuntu's names for the packages are known but not tried.
package image

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// An Image is what machines boot from, and the host's programs that run them.
type Image struct {
	Kernel string // the kernel's file
	Server string // the file server's initial file system
	Client string // a client's initial file system
	QEMU   string // the path of qemu-system-x86_64
	Mkfs   string // the path of mkfs.ext4
	Cache  string // the cache's directory, where what is learnt about the host may be kept
}

// The free space, in bytes, that a build needs: about 110 MB of packages, 350 MB unpacked, 150 MB for the image.
const spaceNeeded = 1 << 30

// An image nobody has used for so long is removed, and so is what a build that was killed has left.
const unusedFor = 24 * time.Hour

// Everything that decides what an image holds besides the packages and the guest program: the files it gets, and this very code.
//
//go:embed files *.go
var inputs embed.FS

// Build returns an image made of the newest packages that the host's package lists name. It is kept in dir, the cache, under a name
// derived from all that went into it, so that the next Build finds it. Several processes may build in one dir: the first one builds,
// the others wait. What is going on is told to log.
//
// It fails with one line that names the remedy if the host lacks a program, the package lists are missing or old, or dir is too small.
func Build(ctx context.Context, dir string, log func(string)) (Image, error) {
	img, err := build(ctx, dir, log)
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return Image{}, fmt.Errorf("image: no space left in %s: give the cache a directory with 1 GB free", dir)
	case err != nil:
		return Image{}, fmt.Errorf("image: %w", err)
	}
	return img, nil
}

func build(ctx context.Context, dir string, log func(string)) (Image, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Image{}, err
	}
	tools, err := findTools(ctx)
	if err != nil {
		return Image{}, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Image{}, err
	}
	tmp, err := os.MkdirTemp(dir, "build-*")
	if err != nil {
		return Image{}, err
	}
	defer os.RemoveAll(tmp)
	b := builder{dir: dir, tmp: tmp, tools: tools, log: log}
	return b.image(ctx)
}

// A builder makes one image. Nothing it writes has its final name before it is complete.
type builder struct {
	dir   string // the cache
	tmp   string // a directory of its own in the cache
	tools tools
	log   func(string)

	guest    string   // the guest program
	wanted   []string // the packages asked for
	packages []string // the names of the files of these and of all they depend on
}

// image finds the image in the cache, or makes it.
func (b *builder) image(ctx context.Context) (Image, error) {
	if err := b.buildGuest(ctx); err != nil {
		return Image{}, err
	}
	if err := b.listPackages(ctx); err != nil {
		return Image{}, err
	}
	key, err := b.key()
	if err != nil {
		return Image{}, err
	}
	final := filepath.Join(b.dir, "image-"+key)
	if b.use(final) {
		return b.at(final), nil
	}
	unlock, err := lock(ctx, filepath.Join(b.dir, "lock"), b.log)
	if err != nil {
		return Image{}, err
	}
	defer unlock()
	if b.use(final) { // another process was faster
		return b.at(final), nil
	}
	if err := b.make(ctx, final); err != nil {
		return Image{}, err
	}
	return b.at(final), b.prune()
}

// at is the image that lies in dir.
func (b *builder) at(dir string) Image {
	return Image{
		Kernel: filepath.Join(dir, "vmlinuz"),
		Server: filepath.Join(dir, "server.cpio"),
		Client: filepath.Join(dir, "client.cpio"),
		QEMU:   b.tools.qemu,
		Mkfs:   b.tools.mkfs,
		Cache:  b.dir,
	}
}

// use tells if there is an image in dir, and marks it as in use.
func (b *builder) use(dir string) bool {
	now := time.Now()
	return os.Chtimes(dir, now, now) == nil
}

// make downloads, unpacks and packs, and gives the result its name at the very end.
func (b *builder) make(ctx context.Context, final string) error {
	if err := checkSpace(b.dir); err != nil {
		return err
	}
	began := time.Now()
	b.log(fmt.Sprintf("downloading %d packages", len(b.packages)))
	if err := b.download(ctx); err != nil {
		return err
	}
	b.log("unpacking them")
	t, err := b.unpack(ctx)
	if err != nil {
		return err
	}
	b.log("packing the machines' file systems")
	out := filepath.Join(b.tmp, "image")
	if err := os.Mkdir(out, 0o755); err != nil {
		return err
	}
	if err := b.pack(ctx, t, b.at(out)); err != nil {
		return err
	}
	if err := os.Rename(out, final); err != nil {
		return err
	}
	b.log(fmt.Sprintf("image built in %s", time.Since(began).Round(100*time.Millisecond)))
	return nil
}

// key names the image by all that goes into it.
func (b *builder) key() (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, strings.Join(b.packages, "\n"))
	err := fs.WalkDir(inputs, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(name, "_test.go") {
			return err
		}
		data, err := inputs.ReadFile(name)
		fmt.Fprintln(h, name, len(data))
		h.Write(data)
		return err
	})
	if err != nil {
		return "", err
	}
	data, err := os.ReadFile(b.guest)
	h.Write(data)
	return hex.EncodeToString(h.Sum(nil))[:16], err
}

// prune removes images and left-over builds that nobody has used for a day. An image in use may go: QEMU reads it only when it
// starts, and a lab that lasts for more than a day marks nothing.
func (b *builder) prune() error {
	for _, pattern := range []string{"image-*", "build-*"} {
		old, err := filepath.Glob(filepath.Join(b.dir, pattern))
		if err != nil {
			return err
		}
		for _, o := range old {
			if s, err := os.Stat(o); err == nil && time.Since(s.ModTime()) > unusedFor {
				if err := os.RemoveAll(o); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
