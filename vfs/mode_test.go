//go:build unix

package vfs

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A journal and a marker can be read by whoever can read the database, whatever the umask
// and whoever made them: else nobody but root could repair it, or open it.
func TestPermissions(t *testing.T) {
	dir := scratch(t)
	model, path := filepath.Join(dir, "model"), filepath.Join(dir, "app.db")
	if err := os.WriteFile(model, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(model, 0o666); err != nil {
		t.Fatal(err)
	}
	root := os.Geteuid() == 0
	if root {
		if err := os.Chown(model, 12, 34); err != nil {
			t.Fatal(err)
		}
	}
	conn := connect(t, register(t, nil, registers{}.fenced), path, "&modeof="+filepath.ToSlash(model))
	run(t, conn, "PRAGMA journal_mode=persist; CREATE TABLE t(x)")
	type owned struct {
		Mode     fs.FileMode
		UID, GID uint32
	}
	look := func(name string) owned {
		t.Helper()
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		o := owned{Mode: info.Mode()}
		if root {
			sys := info.Sys().(*syscall.Stat_t)
			o.UID, o.GID = sys.Uid, sys.Gid
		}
		return o
	}
	check := func(name string) {
		t.Helper()
		if diff := cmp.Diff(look(model), look(name)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", filepath.Base(name), diff)
		}
	}
	for _, suffix := range []string{"", "-journal", markerSuffix} {
		check(path + suffix)
	}
	v := New(nil, registers{}.fenced)
	if err := v.WriteMarker(path, Marker{Register: "adopted"}); err != nil {
		t.Fatal(err)
	}
	check(path + markerSuffix)
	if err := os.Rename(path, path+"@7-01234567"); err != nil { // as after a takeover
		t.Fatal(err)
	}
	if err := v.WriteMarker(path, Marker{Register: "adopted"}); err != nil {
		t.Fatal(err)
	}
	check(path + markerSuffix)
}
