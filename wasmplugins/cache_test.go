package wasmplugins

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// A cache that cannot be used costs time, and no plugin.
func TestCacheThatFails(t *testing.T) {
	for name, spoil := range map[string]func(dir string) error{
		"its entries are cut":        func(dir string) error { return entries(dir, func(e string) error { return os.Truncate(e, 10) }) },
		"its entries are empty":      func(dir string) error { return entries(dir, func(e string) error { return os.Truncate(e, 0) }) },
		"its entries cannot be read": func(dir string) error { return entries(dir, inItsPlace) },
		"a file is where they would be": func(dir string) error {
			return entries(dir, func(e string) error { return inItsPlace(filepath.Dir(e)) })
		},
		"a file is in its place": inItsPlace,
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "wasm")
			options := Options{Path: plain().file(t)}
			use := func() error {
				p, err := load(t.Context(), options, cachesIn(dir, nil))
				if err != nil {
					return err
				}
				r, err := p.Register(t.Context(), "/data/app.db")
				if err == nil {
					err = r.Close()
				}
				return errors.Join(err, p.Close())
			}
			if err := use(); err != nil {
				t.Fatal(err)
			}
			if err := spoil(dir); err != nil {
				t.Fatal(err)
			}
			if err := use(); err != nil {
				t.Error(err)
			}
		})
	}
}

// entries does something to what is in a cache, and fails if that is nothing.
func entries(dir string, do func(path string) error) error {
	paths, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err == nil && len(paths) == 0 {
		err = errors.New("the cache is empty")
	}
	for _, path := range paths {
		err = errors.Join(err, do(path))
	}
	return err
}

// inItsPlace puts a file in the place of a directory, or a directory in that of a file.
func inItsPlace(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	if info.IsDir() {
		return os.WriteFile(path, nil, 0o600)
	}
	return os.Mkdir(path, 0o700)
}
