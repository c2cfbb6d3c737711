package guests

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/holdfastdb/holdfast/internal/testservers"
	"github.com/holdfastdb/holdfast/locking"
	"github.com/holdfastdb/holdfast/wasmplugins"
)

func TestMain(m *testing.M) {
	code := m.Run()
	testservers.StopShared()
	os.RemoveAll(builds.dir)
	os.Exit(code)
}

var builds = struct {
	mu    sync.Mutex
	dir   string            // guarded by mu
	paths map[string]string // guarded by mu
}{paths: map[string]string{}}

// built returns a plugin that was built from its source, once for all tests.
func built(t testing.TB, name string) string {
	t.Helper()
	builds.mu.Lock()
	defer builds.mu.Unlock()
	if path := builds.paths[name]; path != "" {
		return path
	}
	if builds.dir == "" {
		var err error
		if builds.dir, err = os.MkdirTemp("", "holdfast-guests-"); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(builds.dir, name+".wasm")
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-buildmode=c-shared", "-ldflags", "-s -w", "-o", path, ".")
	cmd.Dir = name
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", name, err, out)
	}
	builds.paths[name] = path
	return path
}

const database = "/data/app.db"

// pluginURL is the lock URL of a plugin: names and values, in turn.
func pluginURL(t testing.TB, name string, params ...string) *url.URL {
	t.Helper()
	q := url.Values{}
	for i := 0; i < len(params); i += 2 {
		q.Add(params[i], params[i+1])
	}
	return &url.URL{Scheme: wasmplugins.Scheme, Path: filepath.ToSlash(built(t, name)), RawQuery: q.Encode()}
}

// opened is a register that closes with the test.
func opened(t testing.TB, u *url.URL) (*wasmplugins.Register, error) {
	t.Helper()
	r, err := wasmplugins.Open(t.Context(), u, database)
	if err == nil {
		t.Cleanup(func() { r.Close() })
	}
	return r, err
}

func mustOpen(t testing.TB, u *url.URL) *wasmplugins.Register {
	t.Helper()
	r, err := opened(t, u)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func mustSwap(t testing.TB, r locking.Register, old locking.Version, value string) locking.Version {
	t.Helper()
	v, err := r.CompareAndSwap(t.Context(), old, []byte(value))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// behind returns the URL of a proxy before a server, over a wire. Whoever asks for an answer
// that was lost has the connection closed.
func behind(t testing.TB, server string, w *testservers.Wire) string {
	t.Helper()
	to, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = r.In.Host
			if r.Out.Body == nil {
				r.Out.Body = http.NoBody
			}
		},
		Transport: w.Over(http.DefaultTransport.(*http.Transport).Clone()),
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) {
			panic(http.ErrAbortHandler)
		},
	}
	s := httptest.NewServer(proxy)
	t.Cleanup(s.Close)
	return s.URL
}

// checkLine wants one line that is want, and says some things.
func checkLine(t testing.TB, err, want error, says ...string) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
	t.Log(err)
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("the error does not say %q: %v", s, err)
		}
	}
	if strings.ContainsAny(err.Error(), "\r\n") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the error is not one line, or tells a secret: %v", err)
	}
}
