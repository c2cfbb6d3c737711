//go:build linux

package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// programs makes a directory of programs that print something, and makes it the only PATH.
func programs(t *testing.T, prints map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range prints {
		writeFile(t, filepath.Join(dir, name), fmt.Sprintf("#!/bin/sh\necho '%s'\n", text))
	}
	t.Setenv("PATH", dir)
}

func TestMissingPrograms(t *testing.T) {
	const good = "QEMU emulator version 7.2.22 (Debian 1:7.2)"
	tests := []struct {
		name   string
		prints map[string]string
		want   string // part of the error
	}{
		{"none", map[string]string{"qemu-system-x86_64": good, "mkfs.ext4": "", "apt-get": "", "dpkg-deb": "", "go": ""}, ""},
		{"newer", map[string]string{"qemu-system-x86_64": "QEMU emulator version 10.0.2", "mkfs.ext4": "", "apt-get": "", "dpkg-deb": "", "go": ""}, ""},
		{"two", map[string]string{"mkfs.ext4": "", "apt-get": "", "dpkg-deb": ""},
			"missing qemu-system-x86_64, go: install it with: apt-get install --no-install-recommends qemu-system-x86 golang"},
		{"another distribution", map[string]string{"qemu-system-x86_64": good, "mkfs.ext4": "", "go": ""}, "the lab needs Debian or Ubuntu"},
		{"old", map[string]string{"qemu-system-x86_64": "QEMU emulator version 7.1.0", "mkfs.ext4": "", "apt-get": "", "dpkg-deb": "", "go": ""},
			"is version 7.1: the lab needs 7.2 or newer"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			programs(t, tt.prints)
			switch _, err := findTools(t.Context()); {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n")):
				t.Errorf("error %v, want one line with %q", err, tt.want)
			}
		})
	}
}

func TestKey(t *testing.T) {
	key := func(guest string, packages ...string) string {
		b := &builder{guest: filepath.Join(t.TempDir(), "guest"), packages: packages}
		writeFile(t, b.guest, guest)
		k, err := b.key()
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	same := key("guest", "a_1.deb", "b_1.deb")
	if again := key("guest", "a_1.deb", "b_1.deb"); again != same {
		t.Errorf("keys of the same things: %s and %s", same, again)
	}
	for name, other := range map[string]string{
		"another guest program": key("guest2", "a_1.deb", "b_1.deb"),
		"a newer package":       key("guest", "a_1.deb", "b_2.deb"),
		"a package less":        key("guest", "a_1.deb"),
	} {
		if other == same {
			t.Errorf("%s: the same key", name)
		}
	}
}

func TestPruneKeepsWhatIsUsed(t *testing.T) {
	b := &builder{dir: t.TempDir(), log: func(string) {}}
	old := time.Now().Add(-2 * unusedFor)
	for _, name := range []string{"image-old", "image-used", "build-old", "build-new", "debs"} {
		dir := filepath.Join(b.dir, name)
		writeFile(t, filepath.Join(dir, "file"), "")
		if name != "build-new" {
			if err := os.Chtimes(dir, old, old); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !b.use(filepath.Join(b.dir, "image-used")) || b.use(filepath.Join(b.dir, "image-none")) {
		t.Error("use does not tell what is there")
	}
	if err := b.prune(); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(b.dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range left {
		left[i] = filepath.Base(left[i])
	}
	if got := strings.Join(left, " "); got != "build-new debs image-used" {
		t.Errorf("left: %s", got)
	}
}

func TestLockWaitsForTheOther(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := lock(t.Context(), path, func(s string) { t.Error(s) })
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan string, 10)
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := lock(short, path, func(s string) { told <- s }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("locked twice: %v", err)
	}
	if s := <-told; !strings.Contains(s, "waiting") {
		t.Errorf("told %q", s)
	}
	unlock()
	again, err := lock(t.Context(), path, func(s string) { t.Error(s) })
	if err != nil {
		t.Fatal(err)
	}
	again()
}
