package leasefile

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/spf13/afero"

	"github.com/holdfastdb/holdfast/locking"
)

// A rename that returns an error, with what really happened to it and to the
// register: what the caller is told, and what stays.
func TestRenameThatFails(t *testing.T) {
	enoent := os.ErrNotExist
	for _, row := range []struct {
		name      string
		err       error // of the rename
		effective bool  // it took effect
		swaps     int   // by others, before anybody looks
		wiped     bool
		blind     bool // the register cannot be looked at
		want      error
		files     int // of the swap that failed, left: its value, for it may land
	}{
		{name: "no source: sent twice", err: enoent, effective: true},
		{name: "reply lost, effective", err: syscall.EIO, effective: true},
		{name: "reply lost, effective, blind", err: syscall.EIO, effective: true, blind: true, want: locking.ErrDoubt, files: 2},
		{name: "reply lost, effective, overtaken", err: syscall.EIO, effective: true, swaps: 1, want: locking.ErrDoubt},
		{name: "reply lost, effective, wiped", err: syscall.EIO, effective: true, wiped: true, want: locking.ErrDoubt},
		{name: "reply lost, not effective", err: syscall.EIO, want: locking.ErrDoubt, files: 1},
		{name: "timeout, not effective", err: syscall.ETIMEDOUT, want: locking.ErrDoubt, files: 1},
		{name: "no source, overtaken once", err: enoent, swaps: 1, want: locking.ErrConflict},
		{name: "reply lost, overtaken once", err: syscall.EIO, swaps: 1, want: locking.ErrConflict},
		{name: "no source, overtaken twice", err: enoent, swaps: 2, want: locking.ErrDoubt},
		{name: "no source, wiped", err: enoent, wiped: true, want: locking.ErrDoubt},
		{name: "no source, blind", err: enoent, blind: true, want: locking.ErrDoubt, files: 1},
		{name: "no permission", err: syscall.EACCES, want: syscall.EACCES},
		{name: "read-only", err: syscall.EROFS, want: syscall.EROFS},
		{name: "no space", err: syscall.ENOSPC, want: syscall.ENOSPC},
		{name: "no quota", err: syscall.EDQUOT, want: syscall.EDQUOT},
		{name: "no permission, overtaken", err: syscall.EACCES, swaps: 1, want: locking.ErrConflict},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "app.db.lease")
			old := plant(t, dir, 7, "before")
			fsys := failingRename(func(c call) error {
				if row.effective {
					if err := os.Rename(c.path, c.to); err != nil {
						t.Fatal(err)
					}
				}
				others(t, dir, row.swaps)
				if row.wiped {
					wipe(t, dir)
				}
				return row.err
			}, row.blind)
			r := New(fsys, dir)
			got, err := r.CompareAndSwap(t.Context(), old, []byte("mine"))
			checkTold(t, err, row.want)
			if err == nil {
				checkState(t, dir, "mine")
				return
			}
			if got != locking.Unused {
				t.Errorf("version %q with error %v", got, err)
			}
			mine, _ := filepath.Glob(filepath.Join(dir, fsys.next+".*"))
			if len(mine) != row.files {
				t.Errorf("left: %q, want %d files", mine, row.files)
			}
		})
	}
}

// The same for the rename that creates the register.
func TestCreatingRenameThatFails(t *testing.T) {
	for _, row := range []struct {
		name      string
		err       error
		effective bool
		others    int  // swaps of others, creating the register if need be
		stuck     bool // the directory cannot be taken back either
		blind     bool
		want      error
		left      bool // the directory stays
	}{
		{name: "no source: sent twice", err: os.ErrNotExist, effective: true},
		{name: "reply lost, effective", err: syscall.EIO, effective: true},
		{name: "reply lost, effective, blind", err: syscall.EIO, effective: true, blind: true, want: locking.ErrDoubt},
		{name: "reply lost, effective, overtaken", err: syscall.EIO, effective: true, others: 1, want: locking.ErrDoubt},
		{name: "exists", err: syscall.EEXIST, others: 1, want: locking.ErrConflict},
		{name: "exists, not empty", err: syscall.ENOTEMPTY, others: 2, want: locking.ErrConflict},
		{name: "reply lost, beaten", err: syscall.EIO, others: 1, want: locking.ErrConflict},
		{name: "reply lost, beaten and overtaken", err: syscall.EIO, others: 2, want: locking.ErrDoubt},
		{name: "reply lost, beaten, stuck", err: syscall.EIO, others: 1, stuck: true, want: locking.ErrConflict},
		{name: "reply lost, taken back", err: syscall.EIO, want: syscall.EIO},
		{name: "reply lost, taken back, blind", err: syscall.EIO, blind: true, want: syscall.EIO},
		{name: "reply lost, stuck", err: syscall.EIO, stuck: true, want: locking.ErrDoubt, left: true},
		{name: "no permission", err: syscall.EACCES, want: syscall.EACCES},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "app.db.lease")
			fsys := failingRename(func(c call) error {
				if row.effective {
					if err := os.Rename(c.path, c.to); err != nil {
						t.Fatal(err)
					}
				}
				others(t, dir, row.others)
				return row.err
			}, row.blind)
			fsys.stuck = row.stuck
			_, err := New(fsys, dir).CompareAndSwap(t.Context(), locking.Unused, []byte("mine"))
			checkTold(t, err, row.want)
			if err == nil {
				checkState(t, dir, "mine")
			}
			left, _ := filepath.Glob(dir + ".*")
			if (len(left) > 0) != row.left {
				t.Errorf("left: %q, want some: %v", left, row.left)
			}
		})
	}
}

// checkTold wants err to be want, and neither more nor less sure than that.
func checkTold(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("told %v, want %v", err, want)
	}
	for _, answer := range []error{locking.ErrConflict, locking.ErrDoubt} {
		if errors.Is(err, answer) && want != answer {
			t.Errorf("told %v, want %v alone", err, want)
		}
	}
}

// A renameFs replaces the rename that swaps.
type renameFs struct {
	*hookFs
	next  string // the version swapped to
	stuck bool   // other renames fail from then on
}

func failingRename(instead func(call) error, blind bool) *renameFs {
	r := &renameFs{hookFs: &hookFs{Fs: afero.NewOsFs()}}
	failed := false
	r.before = func(c call) error {
		switch {
		case c.isSwap() && !failed && exists(c.path):
			failed = true
			r.next = filepath.Base(c.to[:len(c.to)-len(filepath.Ext(c.to))])
			return instead(c)
		case failed && blind && c.op == "open":
			return syscall.EIO
		case failed && r.stuck && c.op == "rename":
			return syscall.EIO
		}
		return nil
	}
	return r
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// A rename that was in doubt lands after all, late: nothing breaks, whatever
// happened in between.
func TestRenameThatLandsLate(t *testing.T) {
	for _, row := range []struct {
		name  string
		swaps int
		wipe  bool
		again int
		lands bool
	}{
		{name: "nothing happened", lands: true},
		{name: "others swapped", swaps: 1},
		{name: "others swept", swaps: sweepEvery},
		{name: "removed", wipe: true},
		{name: "begun anew", wipe: true, again: 8},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := filepath.Join(memoryDir(t), "app.db.lease")
			old := plant(t, dir, 7, "before")
			var late call
			fsys := failingRename(func(c call) error { late = c; return syscall.EIO }, false)
			_, err := New(fsys, dir).CompareAndSwap(t.Context(), old, []byte("late"))
			checkTold(t, err, locking.ErrDoubt)
			others(t, dir, row.swaps)
			if row.wipe {
				wipe(t, dir)
			}
			others(t, dir, row.again)
			if err := os.Rename(late.path, late.to); (err == nil) != row.lands {
				t.Errorf("the rename lands with %v", err)
			}
			value, version, err := New(afero.NewOsFs(), dir).Read(t.Context())
			want := map[bool]string{true: "late", false: "others"}[row.lands]
			if row.wipe && row.again == 0 {
				want = ""
			}
			if err != nil || string(value) != want {
				t.Fatalf("read %q, %v; want %q", value, err, want)
			}
			if version != locking.Unused {
				others(t, dir, sweepEvery)
				checkState(t, dir, "others")
			}
		})
	}
}
