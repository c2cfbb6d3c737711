package wasmplugins

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// built returns a plugin that was built from the source in a directory, once for all tests.
func built(t testing.TB, dir string) string {
	t.Helper()
	builds.mu.Lock()
	defer builds.mu.Unlock()
	if path := builds.paths[dir]; path != "" {
		return path
	}
	if builds.dir == "" {
		var err error
		if builds.dir, err = os.MkdirTemp("", "holdfast-wasm-"); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(builds.dir, filepath.Base(dir)+".wasm")
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-buildmode=c-shared", "-ldflags", "-s -w", "-o", path, ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", dir, err, out)
	}
	builds.paths[dir] = path
	return path
}

var builds = struct {
	mu    sync.Mutex
	dir   string            // guarded by mu
	paths map[string]string // guarded by mu
}{paths: map[string]string{}}

func TestMain(m *testing.M) {
	code := m.Run()
	os.RemoveAll(builds.dir)
	os.Exit(code)
}
