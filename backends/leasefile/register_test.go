package leasefile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/afero"

	"github.com/holdfastdb/holdfast/locking"
	"github.com/holdfastdb/holdfast/locking/locktest"
)

func TestConformance(t *testing.T) {
	locktest.Run(t, func(tb testing.TB) locktest.Subject {
		dir := filepath.Join(tb.TempDir(), "app.db.lease")
		lossy := newLossyFs()
		// The first opener is the one that swaps when a reply is to be lost. The
		// others see the plain file system.
		next := afero.Fs(lossy)
		return locktest.Subject{
			Open: func() (locking.Register, error) {
				r := New(next, dir)
				next = afero.NewOsFs()
				return r, nil
			},
			LoseReply: func() { lossy.lose = true },
			Wipe:      func() error { return os.RemoveAll(dir) },
		}
	})
}

// A register and its openers: files of one state, found and left.

func TestFilesOfARegister(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "app.db.lease")
	r := New(afero.NewOsFs(), dir)
	version := locking.Unused
	for i := range 3 {
		version = mustSwap(t, r, version, fmt.Sprintf("{%d}", i))
		want := []string{string(version) + ".json", string(version) + ".token"}
		if diff := cmp.Diff(want, names(t, dir)); diff != "" {
			t.Errorf("files after swap %d (-want +got):\n%s", i+1, diff)
		}
	}
	if diff := cmp.Diff([]string{"app.db.lease"}, names(t, filepath.Dir(dir))); diff != "" {
		t.Errorf("files beside the register (-want +got):\n%s", diff)
	}
	// For people: the value is a file that they can read.
	text, err := os.ReadFile(filepath.Join(dir, string(version)+".json"))
	if string(text) != "{2}" || err != nil {
		t.Errorf("value file = %q, %v", text, err)
	}
}

// Cancelling takes effect before every system call up to the rename, leaves
// nothing behind, and none after it.
func TestCancelBetweenSystemCalls(t *testing.T) {
	for _, used := range []bool{false, true} {
		for k, done := 0, false; !done; k++ {
			t.Run(fmt.Sprintf("used=%v/call %d", used, k), func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "app.db.lease")
				version, before := locking.Unused, ""
				if used {
					version, before = mustSwap(t, New(afero.NewOsFs(), dir), version, "before"), "before"
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				calls, renamed := 0, -1 // the call that renamed
				h := &hookFs{Fs: afero.NewOsFs(), before: func(c call) error {
					if calls == k {
						cancel()
					}
					calls++
					return nil
				}, after: func(c call, err error) error {
					if c.isSwap() && err == nil {
						renamed = calls - 1
					}
					return err
				}}
				_, err := New(h, dir).CompareAndSwap(ctx, version, []byte("after"))
				done = calls <= k
				want := before
				if err == nil {
					want = "after"
				} else if !errors.Is(err, context.Canceled) || errors.Is(err, locking.ErrDoubt) || errors.Is(err, locking.ErrConflict) {
					t.Errorf("swap = %v, want context.Canceled alone", err)
				}
				if (renamed >= 0) != (err == nil) || renamed > k {
					t.Errorf("swap = %v, renamed at call %d, though cancelled before call %d", err, renamed, k)
				}
				checkState(t, dir, want)
			})
		}
	}
}

// checkState wants the register to have value, or with "" to be unused, and no
// file that does not belong to that.
func checkState(t *testing.T, dir, value string) {
	t.Helper()
	got, version, err := New(afero.NewOsFs(), dir).Read(context.Background())
	if err != nil || string(got) != value {
		t.Errorf("read = %q, %v; want %q", got, err, value)
	}
	if version == locking.Unused {
		if left := names(t, filepath.Dir(dir)); len(left) > 0 {
			t.Errorf("left beside an unused register: %q", left)
		}
		return
	}
	want := []string{string(version) + ".json", string(version) + ".token"}
	if diff := cmp.Diff(want, names(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func mustSwap(t testing.TB, r *Register, old locking.Version, value string) locking.Version {
	t.Helper()
	version, err := r.CompareAndSwap(context.Background(), old, []byte(value))
	if err != nil {
		t.Fatal(err)
	}
	return version
}

// names lists a directory in order.
func names(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	slices.Sort(all)
	return all
}

// memoryDir returns a directory of the test, in memory where there is such a
// place: for tests that make thousands of swaps, and lose no power.
func memoryDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "leasefile")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// plant writes a register by hand, at a number of one's choice.
func plant(t testing.TB, dir string, number uint64, value string) locking.Version {
	t.Helper()
	s := state{number, newNonce()}
	write(t, filepath.Join(dir, s.value()), value)
	write(t, filepath.Join(dir, s.token()), "")
	return s.version()
}

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
		t.Fatal(err)
	}
}

func FuzzParseState(f *testing.F) {
	f.Add("00000000012.5ZTUJ4A6KQRBX2MD")
	f.Add("0.5ZTUJ4A6KQRBX2MD")
	f.Add("18446744073709551615.5ZTUJ4A6KQRBX2MD")
	f.Add("+0000000012.5ZTUJ4A6KQRBX2MD")
	f.Add("000000000012.5ZTUJ4A6KQRBX2MD")
	f.Add(".../../etc/passwd")
	f.Fuzz(func(t *testing.T, text string) {
		s, ok := parseState(text)
		if !ok {
			if s != (state{}) {
				t.Errorf("parseState(%q) = %v, false", text, s)
			}
			return
		}
		if s.String() != text || s == (state{}) || filepath.Base(text) != text {
			t.Errorf("parseState(%q) = %v", text, s)
		}
		if n := s.next(); n.number <= s.number || n.nonce == s.nonce {
			t.Errorf("%v is followed by %v", s, n)
		}
		l := parseListing([]string{s.token(), s.value(), text})
		want := listing{tokens: []state{s}, values: []state{s}, others: []string{text}}
		if diff := cmp.Diff(want, l, cmp.AllowUnexported(listing{}, state{})); diff != "" {
			t.Errorf("parseListing (-want +got):\n%s", diff)
		}
	})
}

func TestParseState(t *testing.T) {
	const nonce = "5ZTUJ4A6KQRBX2MD"
	for text, want := range map[string]state{
		"00000000012." + nonce:          {12, nonce},
		"123456789012." + nonce:         {123456789012, nonce},
		"18446744073709551614." + nonce: {1<<64 - 2, nonce},
		"18446744073709551615." + nonce: {},
		"18446744073709551616." + nonce: {},
		"00000000000." + nonce:          {},
		"12." + nonce:                   {},
		"000000000012." + nonce:         {},
		"-0000000012." + nonce:          {},
		"00000000012.5ztuj4a6kqrbx2md":  {},
		"00000000012.5ZTUJ4A6KQRBX2M1":  {},
		"00000000012." + nonce + "A":    {},
		"00000000012." + nonce + ".":    {},
		"00000000012":                   {},
		"":                              {},
	} {
		got, ok := parseState(text)
		if got != want || ok != (want != state{}) {
			t.Errorf("parseState(%q) = %v, %v; want %v", text, got, ok, want)
		}
	}
	seen := map[string]bool{}
	for range 1000 {
		n := newNonce()
		if !isNonce(n) || seen[n] {
			t.Fatalf("nonce %q", n)
		}
		seen[n] = true
	}
}

func BenchmarkRead(b *testing.B) {
	r := New(afero.NewOsFs(), filepath.Join(b.TempDir(), "app.db.lease"))
	mustSwap(b, r, locking.Unused, strings.Repeat("x", 1000))
	for b.Loop() {
		if _, _, err := r.Read(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCompareAndSwap(b *testing.B) {
	for name, fsys := range map[string]afero.Fs{"synced": afero.NewOsFs(), "unsynced": unsynced()} {
		b.Run(name, func(b *testing.B) {
			r := New(fsys, filepath.Join(b.TempDir(), "app.db.lease"))
			value := bytes.Repeat([]byte("x"), 1000)
			version := locking.Unused
			for b.Loop() {
				var err error
				if version, err = r.CompareAndSwap(b.Context(), version, value); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
