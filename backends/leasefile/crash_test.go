package leasefile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/afero"

	"github.com/holdfastdb/holdfast/locking"
)

var errCrashed = errors.New("the process is dead")

// A crashFs stops for good before its k-th system call: a write is left half done.
// With power it is the machine that stops: files and renames that were not synced
// are lost.
type crashFs struct {
	*hookFs
	calls    int
	unsynced map[string]bool // files
	moved    []call          // renames since their directory was synced
}

func newCrashFs(k int) *crashFs {
	c := &crashFs{hookFs: &hookFs{Fs: afero.NewOsFs()}, unsynced: map[string]bool{}}
	c.before = func(in call) error {
		c.calls++
		switch {
		case c.calls == k && in.op == "write":
			return errTorn
		case c.calls >= k:
			return errCrashed
		}
		return nil
	}
	c.after = func(done call, err error) error {
		if err == nil {
			c.note(done)
		}
		return err
	}
	return c
}

func (c *crashFs) note(done call) {
	switch done.op {
	case "create":
		c.unsynced[done.path] = true
	case "sync":
		delete(c.unsynced, done.path)
		var rest []call
		for _, m := range c.moved {
			if filepath.Dir(m.to) != done.path {
				rest = append(rest, m)
			}
		}
		c.moved = rest
	case "rename":
		c.moved = append(c.moved, done)
		for path := range c.unsynced {
			if rest, ok := strings.CutPrefix(path, done.path); ok {
				delete(c.unsynced, path)
				c.unsynced[done.to+rest] = true
			}
		}
	}
}

// losePower takes back what was not synced.
func (c *crashFs) losePower(t *testing.T) {
	for path := range c.unsynced {
		if err := os.Truncate(path, 0); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	for i := len(c.moved) - 1; i >= 0; i-- {
		if err := os.Rename(c.moved[i].to, c.moved[i].path); err != nil {
			t.Fatal(err)
		}
	}
}

// Whatever system call is the last of a process or of its machine: the next
// process reads a whole value, swaps, and in time cleans up.
func TestCrashBetweenSystemCalls(t *testing.T) {
	for _, row := range []struct {
		name   string
		number uint64 // of the register before; 0: unused
	}{
		{"create", 0},
		{"swap", 7},
		{"swap and sweep", sweepEvery - 1},
	} {
		for _, power := range []bool{false, true} {
			for k, done := 1, false; !done; k++ {
				t.Run(fmt.Sprintf("%s/power=%v/call %d", row.name, power, k), func(t *testing.T) {
					dir := filepath.Join(memoryDir(t), "app.db.lease")
					old, before := locking.Unused, ""
					if row.number > 0 {
						before = "before"
						old = plant(t, dir, row.number, before)
						// What others left: a value that lost, and one that is ahead.
						write(t, filepath.Join(dir, state{row.number, newNonce()}.value()), "lost")
						write(t, filepath.Join(dir, state{row.number + 1, newNonce()}.value()), "ahead")
					}
					crash := newCrashFs(k)
					_, err := New(crash, dir).CompareAndSwap(t.Context(), old, []byte("after"))
					done = crash.calls < k
					if power && !done {
						crash.losePower(t)
					}
					survive(t, dir, err == nil, before, "after")
				})
			}
		}
	}
}

// survive opens the register after a crash, as another process would.
func survive(t *testing.T, dir string, acknowledged bool, before, after string) {
	t.Helper()
	r := New(unsynced(), dir)
	value, version, err := r.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := string(value); got != after && (acknowledged || got != before) {
		t.Fatalf("after the crash the value is %q; the swap was acknowledged: %v", got, acknowledged)
	}
	for range sweepEvery {
		version = mustSwap(t, r, version, "next")
	}
	checkState(t, dir, "next")
	if left := names(t, filepath.Dir(dir)); len(left) > 1 {
		t.Errorf("left beside the register: %q", left)
	}
}

// What creators left who were killed after the register existed goes at the first
// sweep; what only looks like it stays.
func TestLeftoversOfCreators(t *testing.T) {
	parent := memoryDir(t)
	dir := filepath.Join(parent, "app.db.lease")
	for _, name := range []string{
		"app.db.lease.AAAAAAAAAAAAAAAA.new", "app.db.lease.BBBBBBBBBBBBBBBB.old",
		"app.db.lease.backup.new", "app.db.lease.AAAAAAAAAAAAAAAA.new.keep", "other.db.lease.AAAAAAAAAAAAAAAA.new",
	} {
		write(t, filepath.Join(parent, name, "file"), "")
	}
	version := plant(t, dir, sweepEvery-1, "before")
	mustSwap(t, New(unsynced(), dir), version, "after")
	want := []string{"app.db.lease", "app.db.lease.AAAAAAAAAAAAAAAA.new.keep", "app.db.lease.backup.new", "other.db.lease.AAAAAAAAAAAAAAAA.new"}
	if diff := cmp.Diff(want, names(t, parent)); diff != "" {
		t.Errorf("beside the register (-want +got):\n%s", diff)
	}
}
