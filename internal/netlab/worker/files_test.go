package main

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/spf13/afero"
)

func readAll(t *testing.T, fsys afero.Fs, name string) string {
	t.Helper()
	f, err := fsys.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	text := make([]byte, info.Size())
	if _, err := f.ReadAt(text, 0); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	return string(text)
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

// Without the guard the database is never opened anew, by whatever name it goes, and
// there is no way to its descriptor; all other files are.
func TestWithoutReopening(t *testing.T) {
	for _, tt := range []struct {
		name string
		kept bool
	}{{"app.db", true}, {"app.db@18-3fa9c2d1", true}, {"app.db-journal", false}, {"app.db-wal", false}, {"app.db@18-3fa9c2d1-wal", false}, {"app.db.holdfast", false}, {"other.db", false}} {
		for _, removed := range []bool{false, true} {
			dir := t.TempDir()
			name := filepath.Join(dir, tt.name)
			fsys := newFiles(nil, guards{reopen: removed}, filepath.Join(dir, "app.db")).forData()
			write(t, name, "old")
			readAll(t, fsys, name)
			write(t, name+".new", "new!")
			if err := os.Rename(name+".new", name); err != nil { // behind its back
				t.Fatal(err)
			}
			want := "new!"
			if removed && tt.kept {
				want = "old"
			}
			if got := readAll(t, fsys, name); got != want {
				t.Errorf("%s, removed %v: it reads %q, want %q", tt.name, removed, got, want)
			}
			f, err := fsys.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			if _, open := f.(syscall.Conn); open == (removed && tt.kept) {
				t.Errorf("%s, removed %v: its descriptor can be had: %v", tt.name, removed, open)
			}
			f.Close()
			if err := fsys.Remove(name); err != nil {
				t.Fatal(err)
			}
			write(t, name, "another")
			if got := readAll(t, fsys, name); got != "another" {
				t.Errorf("%s, removed %v: after it was removed it reads %q", tt.name, removed, got)
			}
		}
	}
}

// Without the guard the register's directory is listed through the descriptor that was
// opened first, and that only.
func TestWithoutFreshness(t *testing.T) {
	for _, removed := range []bool{false, true} {
		dir := t.TempDir()
		lease := filepath.Join(dir, "app.db.lease")
		fsys := newFiles(nil, guards{fresh: removed}, filepath.Join(dir, "app.db")).forRegister()
		list := func() (names []string) {
			d, err := fsys.Open(lease)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			if _, bare := d.(syscall.Conn); bare == removed {
				t.Errorf("removed %v: whoever lists it can drop what the kernel remembers of it: %v", removed, bare)
			}
			for {
				some, err := d.Readdirnames(1)
				if names = append(names, some...); err == io.EOF {
					slices.Sort(names)
					return names
				}
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := os.Mkdir(lease, 0o777); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(lease, "1"), "")
		if got := list(); !slices.Equal(got, []string{"1"}) {
			t.Errorf("removed %v: %q", removed, got)
		}
		write(t, filepath.Join(lease, "2"), "")
		if got := list(); !slices.Equal(got, []string{"1", "2"}) {
			t.Errorf("removed %v: a local disk hides a new file: %q", removed, got)
		}
		if err := os.Rename(lease, lease+".old"); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(lease, 0o777); err != nil {
			t.Fatal(err)
		}
		want := map[bool][]string{false: nil, true: {"1", "2"}}[removed]
		if got := list(); !slices.Equal(got, want) {
			t.Errorf("removed %v: it lists %q, want %q", removed, got, want)
		}
	}
}
