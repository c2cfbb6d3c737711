package leasefile

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/afero"

	"github.com/holdfastdb/holdfast/locking"
)

// What lies where the register should be cannot be used: one line says what is
// wrong and what to do, and nothing changes.
func TestBadDirectory(t *testing.T) {
	one := state{12, "AAAAAAAAAAAAAAAA"}
	two := state{13, "BBBBBBBBBBBBBBBB"}
	for _, row := range []struct {
		name  string
		files map[string]string // path below the parent: content
		want  error
		says  []string
	}{
		{"a regular file", map[string]string{"app.db.lease": "hello"}, locking.ErrForeign,
			[]string{"not a directory", "move it away"}},
		{"something else", map[string]string{"app.db.lease/notes.txt": "hello"}, locking.ErrForeign,
			[]string{`"notes.txt"`, "move it away"}},
		{"nothing", map[string]string{"app.db.lease/": ""}, locking.ErrForeign,
			[]string{"empty directory", "remove it"}},
		{"no token", map[string]string{"app.db.lease/" + one.value(): "{}"}, locking.ErrRecord,
			[]string{"token is missing", "remove the directory when no process has the database open"}},
		{"two tokens", map[string]string{"app.db.lease/" + one.token(): "", "app.db.lease/" + one.value(): "{}",
			"app.db.lease/" + two.token(): "", "app.db.lease/" + two.value(): "{}"}, locking.ErrRecord,
			[]string{"2 tokens", one.String(), two.String(), "remove the directory"}},
		{"no value", map[string]string{"app.db.lease/" + one.token(): ""}, locking.ErrRecord,
			[]string{"value is missing", one.value(), "remove the directory"}},
		{"too large a value", map[string]string{"app.db.lease/" + one.token(): "",
			"app.db.lease/" + one.value(): strings.Repeat("x", locking.MaxValue+1)}, locking.ErrRecord,
			[]string{"larger than 65536"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				parent := t.TempDir()
				for path, content := range row.files {
					if strings.HasSuffix(path, "/") {
						if err := os.Mkdir(filepath.Join(parent, path), 0o777); err != nil {
							t.Fatal(err)
						}
					} else {
						write(t, filepath.Join(parent, path), content)
					}
				}
				before := tree(t, parent)
				dir := filepath.Join(parent, "app.db.lease")
				r := New(afero.NewOsFs(), dir)
				value, version, err := r.Read(t.Context())
				checkLine(t, err, row.want, append(row.says, dir)...)
				if value != nil || version != locking.Unused {
					t.Errorf("read = %q, %q with an error", value, version)
				}
				if _, err := r.CompareAndSwap(t.Context(), locking.Unused, []byte("mine")); err == nil {
					t.Error("created a register over it")
				}
				if diff := cmp.Diff(before, tree(t, parent)); diff != "" {
					t.Errorf("files changed (-before +after):\n%s", diff)
				}
			})
		})
	}
}

// Files that are none of ours do not matter beside a token: an NFS client leaves
// .nfs files, a desktop its own.
func TestForeignFilesBesideAToken(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "app.db.lease")
	version := plant(t, dir, 63, "mine")
	for _, name := range []string{".nfs0000000001", ".DS_Store", "x.token", "README"} {
		write(t, filepath.Join(dir, name), "")
	}
	r := New(afero.NewOsFs(), dir)
	mustSwap(t, r, version, "next")
	if value, _, err := r.Read(t.Context()); string(value) != "next" || err != nil {
		t.Errorf("read = %q, %v", value, err)
	}
	if got := len(names(t, dir)); got != 6 {
		t.Errorf("%d files, want 4 of others and 2", got)
	}
}

func TestMissingDirectory(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "gone", "app.db.lease")
	r := New(afero.NewOsFs(), missing)
	_, _, err := r.Read(t.Context())
	checkLine(t, err, fs.ErrNotExist, `"`+filepath.Dir(missing)+`" is missing`, "create it, or mount")
	_, err = r.CompareAndSwap(t.Context(), locking.Unused, nil)
	checkLine(t, err, fs.ErrNotExist, `"`+filepath.Dir(missing)+`" is missing`, "create it, or mount")

}

func TestBrokenLink(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "app.db.lease")
	link := filepath.Join(filepath.Dir(dir), "link.lease")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	_, _, err := New(afero.NewOsFs(), link).Read(t.Context())
	checkLine(t, err, locking.ErrForeign, "broken symbolic link")

}

// A register that may not be written can be read all the same.
func TestReadOnlyDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "app.db.lease")
	version := plant(t, dir, 7, "before")
	for _, refusal := range []error{syscall.EROFS, syscall.EACCES} {
		readOnly := &hookFs{Fs: afero.NewOsFs(), before: func(c call) error {
			switch c.op {
			case "create", "rename", "remove", "removeall", "mkdir":
				return refusal
			}
			return nil
		}}
		r := New(readOnly, dir)
		if value, _, err := r.Read(t.Context()); string(value) != "before" || err != nil {
			t.Errorf("read of a read-only register = %q, %v", value, err)
		}
		_, err := r.CompareAndSwap(t.Context(), version, nil)
		checkLine(t, err, refusal, `let this process write in "`+dir+`"`, "lock=leasefile:///")
		parent := t.TempDir()
		_, err = New(readOnly, filepath.Join(parent, "new.lease")).CompareAndSwap(t.Context(), locking.Unused, nil)
		checkLine(t, err, refusal, `let this process write in "`+parent+`"`, "lock=leasefile:///")
	}
}

func TestFullDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "app.db.lease")
	version := plant(t, dir, 7, "before")
	full := &hookFs{Fs: afero.NewOsFs(), before: func(c call) error {
		if c.op == "write" {
			return syscall.ENOSPC
		}
		return nil
	}}
	_, err := New(full, dir).CompareAndSwap(t.Context(), version, []byte("after"))
	checkLine(t, err, syscall.ENOSPC, dir, "no space")
	checkState(t, dir, "before")
}

// A file system that lies is found out before the first swap, and nothing is left
// behind. One that is honest is tried once.
func TestProbe(t *testing.T) {
	lies := map[string]struct {
		fs   func() *hookFs
		says string
	}{
		"exclusive creation": {func() *hookFs {
			return &hookFs{Fs: afero.NewOsFs(), flags: func(flag int) int { return flag &^ os.O_EXCL }}
		}, "creates a file that exists"},
		"missing source": {func() *hookFs {
			return &hookFs{Fs: afero.NewOsFs(), after: func(c call, err error) error {
				if c.op == "rename" && errors.Is(err, fs.ErrNotExist) {
					return os.WriteFile(c.to, nil, 0o666)
				}
				return err
			}}
		}, "renames a file that is missing"},
		"directory over directory": {func() *hookFs {
			return &hookFs{Fs: afero.NewOsFs(), before: func(c call) error {
				if c.op == "rename" && exists(c.to) {
					if err := os.RemoveAll(c.to); err != nil {
						return err
					}
				}
				return nil
			}}
		}, "renames a directory over one that is not empty"},
	}
	for name, lie := range lies {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "app.db.lease")
			_, err := New(lie.fs(), dir).CompareAndSwap(t.Context(), locking.Unused, []byte("mine"))
			checkLine(t, err, errUnfit, dir, lie.says, "lock=leasefile:///")
			if left := names(t, filepath.Dir(dir)); len(left) > 0 {
				t.Errorf("left: %q", left)
			}
			if name == "directory over directory" {
				return
			}
			version := plant(t, dir, 7, "before")
			r := New(lie.fs(), dir)
			_, err = r.CompareAndSwap(t.Context(), version, []byte("mine"))
			checkLine(t, err, errUnfit, dir, lie.says, "lock=leasefile:///")
			checkState(t, dir, "before")
		})
	}
	t.Run("honest", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "app.db.lease")
		creates := map[string]int{}
		h := &hookFs{Fs: afero.NewOsFs(), before: func(c call) error {
			if c.op == "create" {
				creates[c.path]++
			}
			return nil
		}}
		version := plant(t, dir, 7, "before")
		r := New(h, dir)
		version = mustSwap(t, r, version, "one")
		mustSwap(t, r, version, "two")
		var counts []int
		for _, n := range creates {
			counts = append(counts, n)
		}
		if len(counts) != 2 || counts[0]+counts[1] != 3 {
			t.Errorf("exclusive creates of each value file: %v, want 1 and 2", counts)
		}
		checkState(t, dir, "two")
	})
}

// afero's own file system in memory is one that lies.
func TestMemMapFs(t *testing.T) {
	fsys := afero.NewMemMapFs()
	if err := fsys.Mkdir("/data", 0o777); err != nil {
		t.Fatal(err)
	}
	_, err := New(fsys, "/data/app.db.lease").CompareAndSwap(t.Context(), locking.Unused, []byte("mine"))
	checkLine(t, err, errUnfit, "renames a directory")
}

// checkLine wants one line that is want, and says some things.
func checkLine(t *testing.T, err, want error, says ...string) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
	for _, s := range append(says, "leasefile: ") {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("error %q does not say %q", err, s)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("error has several lines: %q", err)
	}
}

// tree reads all files below a directory.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		content, _ := os.ReadFile(path)
		files[path] = string(bytes.TrimSpace(content))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
