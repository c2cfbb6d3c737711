//go:build linux

package image

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// kernelVersion is the name of the one directory of kernel modules.
func (t *tree) kernelVersion() (string, error) {
	dirs, err := os.ReadDir(filepath.Join(t.dir, "usr/lib/modules"))
	if err != nil {
		return "", err
	}
	if len(dirs) != 1 {
		return "", fmt.Errorf("%d kernels among the packages, want one", len(dirs))
	}
	return dirs[0].Name(), nil
}

// depmod writes the modules' indexes with the depmod of the packages, run by the C library of the packages: the host may have
// neither, nor know the kernel's compression of modules.
func (t *tree) depmod(ctx context.Context, kernel string) error {
	loader, err := t.needs("usr/bin/kmod")
	if err != nil {
		return err
	}
	var dirs []string
	for _, d := range libraryDirs {
		dirs = append(dirs, filepath.Join(t.dir, d))
	}
	c := exec.CommandContext(ctx, filepath.Join(t.dir, loader[0]), "--library-path", strings.Join(dirs, ":"),
		"--argv0", "depmod", filepath.Join(t.dir, "usr/bin/kmod"), "-b", t.dir, kernel)
	_, err = output(ctx, c)
	return err
}

// modules returns the paths of the named modules' files and of those they need, and of depmod's indexes. A module that is part of
// the kernel itself needs none; if it is nowhere, that is an error unless its name ends with a question mark.
func (t *tree) modules(kernel string, names []string) ([]string, error) {
	dir := filepath.Join("usr/lib/modules", kernel)
	dep, err := os.ReadFile(filepath.Join(t.dir, dir, "modules.dep"))
	if err != nil {
		return nil, err
	}
	builtin, err := os.ReadFile(filepath.Join(t.dir, dir, "modules.builtin"))
	if err != nil {
		return nil, err
	}
	files, err := modulesOf(string(dep), string(builtin), names)
	if err != nil {
		return nil, err
	}
	indexes, err := filepath.Glob(filepath.Join(t.dir, dir, "modules.*"))
	for _, i := range indexes {
		files = append(files, filepath.Base(i))
	}
	for i, f := range files {
		files[i] = filepath.Join(dir, f)
	}
	return files, err
}

// modulesOf reads modules.dep, whose lines name a module's file and all files it needs, and modules.builtin.
func modulesOf(dep, builtin string, names []string) ([]string, error) {
	known := map[string][]string{}
	for line := range strings.Lines(builtin) {
		known[moduleName(line)] = nil
	}
	for line := range strings.Lines(dep) {
		file, needs, _ := strings.Cut(strings.TrimSpace(line), ":")
		known[moduleName(file)] = append(strings.Fields(needs), file)
	}
	var files []string
	for _, n := range names {
		name, optional := strings.CutSuffix(n, "?")
		f, ok := known[name]
		if !ok && !optional {
			return nil, fmt.Errorf("the kernel has no module %s", name)
		}
		files = append(files, f...)
	}
	slices.Sort(files)
	return slices.Compact(files), nil
}

// moduleName is the name of the module in a file such as kernel/fs/nfs/nfs.ko.zst; dashes and underscores are the same in it.
func moduleName(file string) string {
	name, _, _ := strings.Cut(path.Base(strings.TrimSpace(file)), ".")
	return strings.ReplaceAll(name, "-", "_")
}
