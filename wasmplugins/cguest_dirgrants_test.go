package wasmplugins

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfastdb/holdfast/locking"
)

// What was not granted is refused with a line that says what to grant.
func TestDirGrants(t *testing.T) {
	granted, outside := t.TempDir(), t.TempDir()
	path := filepath.Join(granted, "app.lock")
	version, before := plantDir(t, path, 7)
	if err := os.Symlink(outside, filepath.Join(granted, "link")); err != nil {
		t.Fatal(err)
	}
	t.Run("read-only", func(t *testing.T) {
		r, err := openDir(t, t.Context(), path, Dir{Path: granted, ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		if value, got, err := r.Read(t.Context()); string(value) != before || got != version || err != nil {
			t.Errorf("read = %q, %q, %v", value, got, err)
		}
		_, err = r.CompareAndSwap(t.Context(), version, nil)
		wantError(t, err, causes[codeReadOnly], path, "dir= and not by rodir=")
		fresh, err := openDir(t, t.Context(), filepath.Join(granted, "new.lock"), Dir{Path: granted, ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		_, err = fresh.CompareAndSwap(t.Context(), locking.Unused, nil)
		wantError(t, err, causes[codeReadOnly], "dir= and not by rodir=")
	})
	for name, outward := range map[string]string{
		"elsewhere":       filepath.Join(outside, "app.lock"),
		"beside the name": granted + "-too/app.lock",
		"the grant":       granted,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := openDir(t, t.Context(), outward, Dir{Path: granted})
			wantError(t, err, os.ErrPermission, outward, "dir=")
		})
	}
	t.Run("no grant", func(t *testing.T) {
		_, err := openDir(t, t.Context(), path)
		wantError(t, err, os.ErrPermission, path, "dir=")
	})
	for name, outward := range map[string]string{
		"dots":                   granted + "/../" + filepath.Base(outside) + "/app.lock",
		"a link":                 filepath.Join(granted, "link", "app.lock"),
		"a link is the register": filepath.Join(granted, "link"),
	} {
		t.Run(name, func(t *testing.T) {
			r, err := openDir(t, t.Context(), outward, Dir{Path: granted})
			if err == nil {
				_, err = r.CompareAndSwap(t.Context(), locking.Unused, []byte("out"))
			}
			wantError(t, err, os.ErrPermission, "dir=")
		})
	}
	if left := namesIn(t, outside); len(left) > 0 {
		t.Errorf("outside there is %q", left)
	}
	checkDir(t, path, version)
}

// Parameters that cannot be right are refused when the lock is opened.
func TestDirParameters(t *testing.T) {
	dir := t.TempDir()
	for name, row := range map[string]struct {
		params map[string][]string
		says   string
	}{
		"unknown":  {map[string][]string{"paht": {"/x"}}, "unknown parameter paht="},
		"prefix":   {map[string][]string{"pat": {"/x"}}, "unknown parameter pat="},
		"relative": {map[string][]string{"path": {"app.lock"}}, "want an absolute path"},
		"slash":    {map[string][]string{"path": {dir + "/"}}, "want an absolute path"},
		"empty":    {map[string][]string{"path": {""}}, "want an absolute path"},
		"long":     {map[string][]string{"path": {dir + "/" + strings.Repeat("x", 1000)}}, "want an absolute path"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := Load(t.Context(), Options{Path: dirPlugin, Dirs: []Dir{{Path: dir}}, Params: row.params})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			_, err = p.Register(t.Context(), filepath.Join(dir, "app.db"))
			wantError(t, err, ErrInvalid, row.says)
		})
	}
	p, err := Load(t.Context(), Options{Path: dirPlugin, Dirs: []Dir{{Path: dir}}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	r, err := p.Register(t.Context(), filepath.Join(dir, "app.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	checkDir(t, filepath.Join(dir, "app.db.lock"), mustSwapDir(t, r, locking.Unused, "value"))
}

// A directory that is missing may come back, as a mount does.
func TestDirMissingParent(t *testing.T) {
	granted := t.TempDir()
	path := filepath.Join(granted, "mount", "app.lock")
	r, err := openDir(t, t.Context(), path, Dir{Path: granted})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = r.Read(t.Context())
	wantError(t, err, locking.ErrUnreachable, path, "is missing")
	_, err = r.CompareAndSwap(t.Context(), locking.Unused, nil)
	wantError(t, err, locking.ErrUnreachable, path, "is missing")
	if err := os.Mkdir(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	mustSwapDir(t, r, locking.Unused, "value")
}
