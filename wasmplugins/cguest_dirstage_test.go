package wasmplugins

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/holdfastdb/holdfast/locking"
)

// dirCalls is told of each call that a plugin makes to the host; what it panics with ends the
// instance there and then.
type dirCalls struct {
	before, after func(name string)
	ends          string // the instance is closed before this one: "path_rename"
}

func (c dirCalls) context(ctx context.Context) context.Context {
	return experimental.WithFunctionListenerFactory(ctx, experimental.FunctionListenerFactoryFunc(
		func(def api.FunctionDefinition) experimental.FunctionListener {
			if def.ModuleName() != "wasi_snapshot_preview1" {
				return nil
			}
			return c
		}))
}

func (c dirCalls) Before(ctx context.Context, _ api.Module, def api.FunctionDefinition, _ []uint64, _ experimental.StackIterator) {
	if def.Name() == c.ends {
		calling(ctx).close(errCrash)
	}
	if c.before != nil {
		c.before(def.Name())
	}
}

func (c dirCalls) After(_ context.Context, _ api.Module, def api.FunctionDefinition, _ []uint64) {
	if c.after != nil {
		c.after(def.Name())
	}
}

func (dirCalls) Abort(context.Context, api.Module, api.FunctionDefinition, error) {}

var errCrash = errors.New("the instance dies here")

// openDir opens the lock path by the plugin dir, which is granted some directories.
func openDir(t testing.TB, ctx context.Context, path string, dirs ...Dir) (*Register, error) {
	t.Helper()
	p, err := Load(ctx, Options{Path: dirPlugin, Dirs: dirs, Params: map[string][]string{"path": {path}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	r, err := p.Register(ctx, "/nowhere/app.db")
	if err == nil {
		t.Cleanup(func() { r.Close() })
	}
	return r, err
}

// mustOpenDir opens the lock path, which lies in a directory that is granted.
func mustOpenDir(t testing.TB, path string, c dirCalls) *Register {
	t.Helper()
	r, err := openDir(t, c.context(context.Background()), path, Dir{Path: filepath.Dir(path)})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A dirStage has many locks, for tests of every call that a plugin makes, and loads it but twice.
type dirStage struct {
	root         string
	plain, heard *Plugin
	calls        dirCalls // of heard
	locks        int
}

func newDirStage(t testing.TB) *dirStage {
	t.Helper()
	s := &dirStage{root: fastDir(t)}
	load := func(c dirCalls) *Plugin {
		p, err := Load(c.context(context.Background()), Options{Path: dirPlugin, Dirs: []Dir{{Path: s.root}}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.Close() })
		return p
	}
	s.plain = load(dirCalls{})
	s.heard = load(dirCalls{
		before: func(name string) {
			if s.calls.before != nil {
				s.calls.before(name)
			}
		},
		after: func(name string) {
			if s.calls.after != nil {
				s.calls.after(name)
			}
		},
	})
	return s
}

// next returns the path of a new lock, and an opener of which each call is heard.
func (s *dirStage) next(t testing.TB) (path string, heard *Register) {
	t.Helper()
	s.calls = dirCalls{}
	s.locks++
	path = filepath.Join(s.root, fmt.Sprint(s.locks, ".lock"))
	return path, s.open(t, s.heard, path)
}

func (s *dirStage) open(t testing.TB, p *Plugin, path string) *Register {
	t.Helper()
	r, err := p.Register(context.Background(), strings.TrimSuffix(path, ".lock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// wantError wants one line that is an error, and says some things.
func wantError(t *testing.T, err, want error, says ...string) {
	t.Helper()
	if !errors.Is(err, want) || errors.Is(err, locking.ErrDoubt) {
		t.Fatalf("error %v, want %v", err, want)
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("error %q does not say %q", err, s)
		}
	}
	if strings.ContainsRune(err.Error(), '\n') {
		t.Errorf("more than a line: %q", err)
	}
}

// plantDir writes a lock by hand, at a number of one's choice. 0 writes nothing.
func plantDir(t testing.TB, path string, number int) (locking.Version, string) {
	t.Helper()
	if number == 0 {
		return locking.Unused, ""
	}
	version := fmt.Sprintf("%015d.%s", number, nonceA)
	writeDir(t, filepath.Join(path, version+".value"), "before")
	writeDir(t, filepath.Join(path, version+".token"), "")
	return locking.Version(version), "before"
}

// writeDir writes a file, and makes what it lies in. A name that ends in / is a directory.
func writeDir(t testing.TB, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Error(err)
	}
	if !strings.HasSuffix(path, "/") {
		if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
			t.Error(err)
		}
	}
}

func mustSwapDir(t testing.TB, r *Register, old locking.Version, value string) locking.Version {
	t.Helper()
	version, err := r.CompareAndSwap(context.Background(), old, []byte(value))
	if err != nil {
		t.Fatal(err)
	}
	return version
}

// swapDir swaps n times, as others.
func swapDir(t testing.TB, r *Register, n int) {
	for range n {
		_, version, err := r.Read(context.Background())
		if err == nil {
			_, err = r.CompareAndSwap(context.Background(), version, []byte("others"))
		}
		if err != nil {
			t.Errorf("others: %v", err)
		}
	}
}

// fastDir returns a directory of the test, in memory where there is such a place: for tests
// that make thousands of swaps, and lose no power.
func fastDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "holdfast-dir-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// hasValue reports whether a value is the present one.
func hasValue(path, want string) bool {
	tokens, _ := filepath.Glob(filepath.Join(path, "*.token"))
	for _, token := range tokens {
		if value, _ := os.ReadFile(strings.TrimSuffix(token, "token") + "value"); string(value) == want {
			return true
		}
	}
	return false
}

// checkDir wants the files of one version, and no other.
func checkDir(t *testing.T, path string, version locking.Version) {
	t.Helper()
	want := []string{string(version) + ".token", string(version) + ".value"}
	if diff := cmp.Diff(want, namesIn(t, path)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func namesIn(t testing.TB, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	slices.Sort(names)
	return names
}
