package wasmplugins

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfastdb/holdfast/locking"
	"github.com/holdfastdb/holdfast/locking/locktest"
)

const (
	dirPlugin = "guests/dir/dir.wasm"
	nonceA    = "AAAAAAAAAAAAAAAA"
	nonceB    = "BBBBBBBBBBBBBBBB"
)

// The openers reach the lock through directories of their own. A reply is lost with its
// instance, which dies when the rename has taken effect.
func TestDirConformance(t *testing.T) {
	locktest.RunInRealTime(t, func(tb testing.TB) locktest.Subject {
		outer, other := tb.TempDir(), tb.TempDir()
		inner := filepath.Join(outer, "inner")
		if err := os.Mkdir(inner, 0o777); err != nil {
			tb.Fatal(err)
		}
		path := filepath.Join(inner, "app.lock")
		var lose atomic.Bool
		ctx := dirCalls{after: func(name string) {
			if name == "path_rename" && lose.Swap(false) {
				panic(errCrash)
			}
		}}.context(context.Background())
		grants := [][]Dir{{{Path: outer}}, {{Path: inner}}, {{Path: other}, {Path: inner}, {Path: outer, ReadOnly: true}}}
		n := 0
		return locktest.Subject{
			Open: func() (locking.Register, error) {
				n++
				return openDir(tb, ctx, path, grants[n%len(grants)]...)
			},
			LoseReply: func() { lose.Store(true) },
			Wipe:      func() error { return os.RemoveAll(path) },
		}
	})
}

// An instance dies before or after one of its calls, for each of them. The next one finds a
// whole value, goes on, and in time cleans up.
func TestDirCrash(t *testing.T) {
	stage := newDirStage(t)
	for _, row := range []struct {
		name   string
		number int // of the lock before; 0: unused
	}{{"create", 0}, {"swap", 7}, {"swap and sweep", 99}} {
		for k, crashed := 1, true; crashed; k++ {
			t.Run(fmt.Sprintf("%s/%d", row.name, k), func(t *testing.T) {
				path, dying := stage.next(t)
				old, before := plantDir(t, path, row.number)
				n, renamed := 0, false
				stage.calls.after = func(name string) {
					renamed = renamed || name == "path_rename"
					if n++; n == k {
						panic(errCrash)
					}
				}
				_, err := dying.CompareAndSwap(t.Context(), old, []byte("after"))
				crashed = n >= k
				if crashed != errors.Is(err, locking.ErrDoubt) || !crashed && err != nil {
					t.Fatalf("swap that died: %v is %v", crashed, err)
				}
				want := before
				if renamed {
					want = "after"
				}
				survivor := stage.open(t, stage.plain, path)
				value, version, err := survivor.Read(t.Context())
				if string(value) != want || err != nil {
					t.Fatalf("read after = %q, %v; want %q", value, err, want)
				}
				for range 100 {
					version = mustSwapDir(t, survivor, version, "next")
				}
				checkDir(t, path, version)
			})
			if t.Failed() {
				return
			}
		}
	}
}

// The host closes an instance at each of its calls in the middle of a swap, as it does when the
// time is up. That is doubt, whether the rename still took effect or not, and no harm.
func TestDirClosed(t *testing.T) {
	for _, call := range []string{"path_open", "fd_readdir", "fd_write", "fd_sync", "path_rename", "path_unlink_file"} {
		t.Run(call, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "app.lock")
			old, before := plantDir(t, path, 7)
			r := mustOpenDir(t, path, dirCalls{ends: call})
			if _, err := r.CompareAndSwap(t.Context(), old, []byte("after")); !errors.Is(err, locking.ErrDoubt) {
				t.Errorf("swap = %v, want ErrDoubt", err)
			}
			survivor := mustOpenDir(t, path, dirCalls{})
			value, version, err := survivor.Read(t.Context())
			if got := string(value); err != nil || got != "after" && (got != before || call == "path_unlink_file") {
				t.Errorf("read after = %q, %v", value, err)
			}
			for range 100 {
				version = mustSwapDir(t, survivor, version, "next")
			}
			checkDir(t, path, version)
		})
	}
}

// While an instance is stopped before one of its calls, for each of them, others go on. When
// it wakes it does no harm, and is told what it did.
func TestDirLate(t *testing.T) {
	type others struct {
		swaps, after int // after a deletion; -1: none
	}
	stage := newDirStage(t)
	for _, number := range []int{0, 7, 99} {
		for _, do := range []others{{1, -1}, {2, -1}, {100, -1}, {0, 0}, {0, 1}, {1, 8}} {
			for k, slept := 1, true; slept && !(do.swaps == 0 && number == 0); k++ {
				name := fmt.Sprintf("from %d, others %+v, call %d", number, do, k)
				path, late := stage.next(t)
				old, _ := plantDir(t, path, number)
				other := stage.open(t, stage.plain, path)
				n, renamed := 0, false
				stage.calls = dirCalls{before: func(call string) {
					if n++; n != k {
						return
					}
					swapDir(t, other, do.swaps)
					if do.after >= 0 {
						if err := os.RemoveAll(path); err != nil {
							t.Error(err)
						}
						swapDir(t, other, do.after)
					}
				}, after: func(call string) {
					if call == "path_rename" {
						renamed = hasValue(path, "late")
					}
				}}
				_, err := late.CompareAndSwap(t.Context(), old, []byte("late"))
				slept = n >= k
				checkLate(t, name, path, other, err, renamed, slept, do.after == 0)
				if t.Failed() {
					return
				}
			}
		}
	}
}

// checkLate compares what a swap was told with what it did, and with what is there. If the
// others left the lock unused it may come late, and still be right.
func checkLate(t *testing.T, name, path string, other *Register, told error, renamed, slept, unused bool) {
	t.Helper()
	switch {
	case told == nil && !renamed:
		t.Errorf("%s: it was told that it won, and did not", name)
	case told != nil && renamed && !errors.Is(told, locking.ErrDoubt):
		t.Errorf("%s: it won, and was told %v", name, told)
	case told != nil && !errors.Is(told, locking.ErrConflict) && !errors.Is(told, locking.ErrDoubt):
		t.Errorf("%s: it was told %v", name, told)
	}
	value, version, err := other.Read(t.Context())
	got := string(value)
	switch {
	case err != nil:
		t.Errorf("%s: %v", name, err)
	case !slept && got != "late", slept && !unused && got != "others", unused && version != locking.Unused && got != "late":
		t.Errorf("%s: %q is there, slept: %v", name, got, slept)
	}
	if version != locking.Unused && !slept {
		checkDir(t, path, version)
	}
}

// What a swap is told when its rename fails goes by what is there. Its value stays as long as
// the rename may come late.
func TestDirRenameFails(t *testing.T) {
	const next = "000000000000008.*.value"
	for name, row := range map[string]struct {
		before, after func(t *testing.T, path, from string, other *Register)
		want          error
		left          int // files
	}{
		"it was sent twice": {before: func(t *testing.T, path, from string, _ *Register) {
			to, err := filepath.Glob(filepath.Join(path, next))
			if err != nil || len(to) != 1 {
				t.Fatal(to, err)
			}
			moveFile(t, from, strings.TrimSuffix(to[0], "value")+"token")
		}, left: 2},
		"another step was taken": {before: func(t *testing.T, _, _ string, other *Register) { swapDir(t, other, 1) },
			want: locking.ErrConflict, left: 2},
		"two steps were taken": {before: func(t *testing.T, _, _ string, other *Register) { swapDir(t, other, 2) },
			want: locking.ErrDoubt, left: 2},
		"the lock was deleted": {before: func(t *testing.T, path, _ string, _ *Register) { os.RemoveAll(path) },
			want: locking.ErrDoubt},
		"it was deleted and made anew": {before: func(t *testing.T, path, _ string, other *Register) {
			os.RemoveAll(path)
			swapDir(t, other, 1)
		}, want: locking.ErrDoubt, left: 2},
		"nothing has changed": {
			before: func(t *testing.T, path, from string, _ *Register) { moveFile(t, from, path+".kept") },
			after:  func(t *testing.T, path, from string, _ *Register) { moveFile(t, path+".kept", from) },
			want:   locking.ErrDoubt, left: 3},
		"it cannot be looked at": {before: func(t *testing.T, path, from string, _ *Register) {
			moveFile(t, from, path+".kept")
			writeDir(t, filepath.Join(path, "000000000000008."+nonceA+".token"), "")
			writeDir(t, filepath.Join(path, "000000000000008."+nonceB+".token"), "")
		}, want: locking.ErrDoubt, left: 4},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "app.lock")
			old, _ := plantDir(t, path, 7)
			other := mustOpenDir(t, path, dirCalls{})
			at := func(do func(t *testing.T, path, from string, other *Register)) func(string) {
				return func(call string) {
					if call == "path_rename" && do != nil {
						do(t, path, filepath.Join(path, string(old)+".token"), other)
					}
				}
			}
			_, err := mustOpenDir(t, path, dirCalls{before: at(row.before), after: at(row.after)}).CompareAndSwap(t.Context(), old, []byte("mine"))
			if !errors.Is(err, row.want) || err != nil && row.want == nil {
				t.Fatalf("swap = %v, want %v", err, row.want)
			}
			if left, _ := filepath.Glob(filepath.Join(path, "*")); len(left) != row.left {
				t.Errorf("left: %q, want %d files", left, row.left)
			}
		})
	}
}

func moveFile(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Error(err)
	}
}

// A sweep removes what can never be the present value. What is ahead of the token may belong
// to a swap that is under way.
func TestDirSweep(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.lock")
	old, _ := plantDir(t, path, 99)
	ahead := "000000000000101." + nonceB + ".value"
	for _, lost := range []string{"000000000000098." + nonceB + ".value", "000000000000100." + nonceB + ".value", ahead, "notes.txt"} {
		writeDir(t, filepath.Join(path, lost), "")
	}
	version := string(mustSwapDir(t, mustOpenDir(t, path, dirCalls{}), old, "value"))
	if diff := cmp.Diff([]string{version + ".token", version + ".value", ahead, "notes.txt"}, namesIn(t, path)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// What lies where the lock should be cannot be used: one line says what is wrong and what to
// do, and nothing changes.
func TestDirForeign(t *testing.T) {
	one, two := "000000000000012."+nonceA, "000000000000013."+nonceB
	for name, row := range map[string]struct {
		files []string
		want  error
		says  string
	}{
		"a file":                  {[]string{"app.lock"}, locking.ErrForeign, "is not a directory"},
		"something else":          {[]string{"app.lock/notes.txt"}, locking.ErrForeign, "has no token"},
		"nothing":                 {[]string{"app.lock/"}, locking.ErrForeign, "is empty"},
		"two tokens":              {[]string{"app.lock/" + one + ".token", "app.lock/" + two + ".token"}, locking.ErrForeign, "two tokens"},
		"a token without a value": {[]string{"app.lock/" + one + ".token"}, locking.ErrForeign, "lacks a value"},
	} {
		t.Run(name, func(t *testing.T) {
			parent := t.TempDir()
			for _, file := range row.files {
				writeDir(t, parent+"/"+file, "")
			}
			path := filepath.Join(parent, "app.lock")
			r := mustOpenDir(t, path, dirCalls{})
			_, _, err := r.Read(t.Context())
			wantError(t, err, row.want, row.says, path, "move it away")
			if _, err := r.CompareAndSwap(t.Context(), locking.Unused, nil); err == nil {
				t.Error("a lock was made over it")
			}
			for _, file := range row.files {
				if _, err := os.Stat(parent + "/" + file); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// Whoever makes the lock after others have made it, and gone on, is told that for sure.
func TestDirCreateLate(t *testing.T) {
	for swaps := 1; swaps <= 2; swaps++ {
		path := filepath.Join(t.TempDir(), "app.lock")
		other := mustOpenDir(t, path, dirCalls{})
		r := mustOpenDir(t, path, dirCalls{before: func(call string) {
			if call == "path_rename" && !hasValue(path, "others") {
				swapDir(t, other, swaps)
			}
		}})
		if _, err := r.CompareAndSwap(t.Context(), locking.Unused, []byte("mine")); !errors.Is(err, locking.ErrConflict) {
			t.Errorf("after %d swaps of others: %v, want ErrConflict", swaps, err)
		}
		if diff := cmp.Diff([]string{"app.lock"}, namesIn(t, filepath.Dir(path))); diff != "" {
			t.Errorf("beside the lock (-want +got):\n%s", diff)
		}
	}
}

// A listing that does not fit into the memory for it comes in parts. More reads than there
// may be open files leave none open.
func TestDirManyFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.lock")
	want, _ := plantDir(t, path, 7)
	for i := range 300 {
		writeDir(t, filepath.Join(path, fmt.Sprintf("%015d.%s.value", 100+i, nonceB)), "")
		writeDir(t, filepath.Join(path, strings.Repeat("x", 50+i%200)+fmt.Sprint(i)), "")
	}
	r := mustOpenDir(t, path, dirCalls{})
	for range 2 * mostFiles {
		if value, version, err := r.Read(t.Context()); string(value) != "before" || version != want || err != nil {
			t.Fatalf("read = %q, %q, %v", value, version, err)
		}
	}
}

// A value that somebody made longer is not cut off.
func TestDirLongValue(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.lock")
	version, _ := plantDir(t, path, 7)
	writeDir(t, filepath.Join(path, string(version)+".value"), strings.Repeat("x", locking.MaxValue+1))
	_, _, err := mustOpenDir(t, path, dirCalls{}).Read(t.Context())
	wantError(t, err, locking.ErrForeign, "too long")
}

// After the largest number there is none.
func TestDirLastNumber(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.lock")
	version, _ := plantDir(t, path, 999_999_999_999_999)
	_, err := mustOpenDir(t, path, dirCalls{}).CompareAndSwap(t.Context(), version, nil)
	wantError(t, err, locking.ErrUnreachable, path)
	checkDir(t, path, version)
}
