//go:build unix

package wasmplugins

import (
	"os"
	"path/filepath"
	"testing"
)

// Machine code is not taken from where others can put it.
func TestCacheOfOthersIsNotUsed(t *testing.T) {
	base := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", base)
	t.Setenv("HOME", base)
	dir, err := cacheDir()
	if err != nil {
		t.Fatal(err)
	}
	for perm, fine := range map[os.FileMode]bool{0o700: true, 0o755: true, 0o775: false, 0o777: false, 0o702: false} {
		if err := os.Chmod(dir, perm); err != nil {
			t.Fatal(err)
		}
		if _, err := cacheDir(); fine != (err == nil) {
			t.Errorf("%v: %v", perm, err)
		}
	}
	if err := os.Chmod(filepath.Dir(dir), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := cacheDir(); err == nil {
		t.Error("others can replace the directory that it is in")
	}
}
