package wasmplugins

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/tetratelabs/wazero"
)

// compilationCaches returns where machine code is kept that was made of modules, the best
// one first. What lies there is run as it is, so it must be in a directory that nobody else
// can write to; if there is none, modules are compiled by each process again. The last one
// is in memory, and cannot fail: a disk may be full, or what lies there damaged.
var compilationCaches = sync.OnceValue(func() []wazero.CompilationCache { return cachesIn(cacheDir()) })

func cachesIn(dir string, err error) (caches []wazero.CompilationCache) {
	if err == nil {
		if c, err := wazero.NewCompilationCacheWithDir(dir); err == nil {
			caches = append(caches, c)
		}
	}
	return append(caches, wazero.NewCompilationCache())
}

func cacheDir() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	ours := filepath.Join(base, "holdfast")
	dir := filepath.Join(ours, "wasm")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	for _, d := range []string{ours, dir} {
		s, err := os.Stat(d)
		if err != nil {
			return "", err
		}
		if !onlyOurs(s) {
			return "", fmt.Errorf("others can write to %s", d)
		}
	}
	return dir, nil
}
