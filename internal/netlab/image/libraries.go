//go:build linux

package image

import (
	"debug/elf"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Where the dynamic loader looks by itself.
var libraryDirs = []string{"usr/lib/x86_64-linux-gnu", "usr/lib64", "usr/lib"}

// closure returns the paths of the dynamic loader and of all shared libraries that the given programs need, and that those need in
// turn. Paths are relative to the tree; scripts and static programs need nothing.
func (t *tree) closure(programs ...string) ([]string, error) {
	var found []string
	seen := map[string]bool{}
	for queue := slices.Clone(programs); len(queue) > 0; queue = queue[1:] {
		needs, err := t.needs(queue[0])
		if err != nil {
			return nil, err
		}
		for _, n := range needs {
			if !seen[n] {
				seen[n] = true
				found, queue = append(found, n), append(queue, n)
			}
		}
	}
	return found, nil
}

// needs returns what one program or library names: its loader and its libraries.
func (t *tree) needs(name string) ([]string, error) {
	file, err := os.Open(filepath.Join(t.dir, name))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	magic := make([]byte, len(elf.ELFMAG))
	if _, err := file.ReadAt(magic, 0); err != nil || string(magic) != elf.ELFMAG {
		return nil, nil // a script
	}
	f, err := elf.NewFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}

	var needs []string
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			b := make([]byte, p.Filesz)
			if _, err := p.ReadAt(b, 0); err != nil {
				return nil, fmt.Errorf("%s: loader: %w", name, err)
			}
			needs = append(needs, strings.Trim(string(b), "/\x00"))
		}
	}
	libraries, err := f.ImportedLibraries()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	dirs, err := searchPath(f, name)
	if err != nil {
		return nil, err
	}
	for _, l := range libraries {
		p, err := t.findIn(dirs, l)
		if err != nil {
			return nil, fmt.Errorf("%s needs a library: %w", name, err)
		}
		needs = append(needs, p)
	}
	return needs, nil
}

// searchPath is the file's own search path, as Samba's programs have one, before the loader's.
func searchPath(f *elf.File, name string) ([]string, error) {
	var dirs []string
	for _, tag := range []elf.DynTag{elf.DT_RPATH, elf.DT_RUNPATH} {
		paths, err := f.DynString(tag)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for _, p := range paths {
			for d := range strings.SplitSeq(p, ":") {
				d = strings.ReplaceAll(d, "$ORIGIN", "/"+filepath.Dir(name))
				dirs = append(dirs, strings.TrimPrefix(filepath.Clean(d), "/"))
			}
		}
	}
	return append(dirs, libraryDirs...), nil
}

// findIn returns the path of the first of dirs that holds the file.
func (t *tree) findIn(dirs []string, name string) (string, error) {
	for _, d := range dirs {
		p := filepath.Join(d, name)
		if _, err := os.Stat(filepath.Join(t.dir, p)); err == nil {
			return p, nil
		}
	}
	return "", fmt.Errorf("%s in %s: %w", name, strings.Join(dirs, ", "), fs.ErrNotExist)
}
