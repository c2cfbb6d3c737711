package fstype

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestOf(t *testing.T) {
	dir := t.TempDir()
	want, err := Of(dir)
	if err != nil {
		t.Fatal(err)
	}
	if want.Name == "" {
		t.Error("no name")
	}
	t.Logf("%s is on %+v", dir, want)

	file := filepath.Join(dir, "app.db")
	for _, state := range []string{"not there yet", "there"} {
		got, err := Of(file)
		if err != nil || got != want {
			t.Errorf("a file that is %s: %+v, %v, want %+v as its directory", state, got, err, want)
		}
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOfNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "no", "such", "directory", "app.db")
	if got, err := Of(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Of(%q) = %+v, %v, want %v", path, got, err, fs.ErrNotExist)
	}
}

func TestExisting(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	link := func(target, name string) string {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.Symlink(target, name); err != nil {
			t.Skipf("this system lets nobody make a symbolic link: %v", err)
		}
		return name
	}
	for name, tt := range map[string]struct{ path, want string }{
		"directory":         {dir, dir},
		"new file":          {filepath.Join(dir, "new"), dir},
		"link to new file":  {link(filepath.Join(other, "new"), "abs"), other},
		"relative link":     {link(filepath.Join("..", filepath.Base(other), "new"), "rel"), other},
		"link to directory": {link(other, "there"), filepath.Join(dir, "there")},
	} {
		if got, err := existing(tt.path); err != nil || got != tt.want {
			t.Errorf("%s: existing(%q) = %q, %v, want %q", name, tt.path, got, err, tt.want)
		}
	}
	loop := link("loop", "loop")
	if got, err := existing(loop); err == nil {
		t.Errorf("a link to itself leads to %q", got)
	}
}
