package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// sums are what SHA256SUMS says, by the names of the plugins. It is for sha256sum -c, which
// leaves out lines that begin with #.
type sums map[string]entry

// An entry is what is recorded of a plugin.
type entry struct {
	sum string // in hex
	how string // it was built: the compiler, and the command
}

const sumsFile = "SHA256SUMS"

func readSums(guests string) (sums, error) {
	text, err := os.ReadFile(filepath.Join(guests, sumsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return sums{}, nil
	}
	if err != nil {
		return nil, err
	}
	return parseSums(string(text))
}

func parseSums(text string) (sums, error) {
	s := sums{}
	how := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if comment, ok := strings.CutPrefix(line, "# "); ok {
			how = comment
			continue
		}
		sum, path, ok := strings.Cut(line, "  ")
		name := filepath.Base(filepath.Dir(path))
		if !ok || path != name+"/"+name+".wasm" {
			return nil, fmt.Errorf("%s has a line that is none of its own: %q", sumsFile, line)
		}
		s[name] = entry{sum, how}
		how = ""
	}
	return s, nil
}

func (s sums) String() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(s)) {
		fmt.Fprintf(&b, "# %s\n%s  %s/%s.wasm\n", s[name].how, s[name].sum, name, name)
	}
	return b.String()
}

// write writes them, but for plugins that are no more.
func (s sums) write(guests string, plugins []string) error {
	maps.DeleteFunc(s, func(name string, _ entry) bool { return !slices.Contains(plugins, name) })
	return os.WriteFile(filepath.Join(guests, sumsFile), []byte(s.String()), 0o644)
}

// without returns an error if there are sums of plugins that are no more.
func (s sums) without(plugins []string) error {
	for _, name := range slices.Sorted(maps.Keys(s)) {
		if !slices.Contains(plugins, name) {
			return fmt.Errorf("%s has %s, whose sources are gone: run it without -check", sumsFile, name)
		}
	}
	return nil
}
