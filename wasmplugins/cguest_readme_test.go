package wasmplugins

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/holdfastdb/holdfast/internal/testservers"
	"github.com/holdfastdb/holdfast/locking"
	"github.com/holdfastdb/holdfast/locking/locktest"
)

// What README.md tells an author to write and to run makes a lock that keeps its promises.
func TestReadmeGo(t *testing.T) {
	dir := t.TempDir()
	source := filepath.Join(dir, "main.go")
	writeDir(t, source, readmeCode(t, "go"))
	// The file is as if it were in a directory of this module, which has the SDK.
	inside, err := filepath.Abs("testdata/readme")
	if err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(inside, "main.go"): source}})
	if err != nil {
		t.Fatal(err)
	}
	writeDir(t, filepath.Join(dir, "overlay.json"), string(overlay))
	words := readmeCommand(t, "GOOS=wasip1")
	plugin := filepath.Join(dir, "mylock.wasm")
	cmd := exec.Command("go", "build", "-overlay", filepath.Join(dir, "overlay.json"))
	for i, word := range words {
		switch {
		case strings.HasPrefix(word, "GO"):
			cmd.Env = append(cmd.Environ(), word)
		case word == "mylock.wasm":
			cmd.Args = append(cmd.Args, plugin)
		case i > 3: // go build
			cmd.Args = append(cmd.Args, strings.Trim(word, "'"))
		}
	}
	cmd.Args = append(cmd.Args, "./testdata/readme")
	mustRun(t, cmd)
	checkReadmeLock(t, plugin)
}

// TestReadmeC needs clang.
func TestReadmeC(t *testing.T) {
	testservers.Need(t)
	dir := t.TempDir()
	writeDir(t, filepath.Join(dir, "mylock.c"), readmeCode(t, "c"))
	header, err := os.ReadFile("c/holdfast.h")
	if err != nil {
		t.Fatal(err)
	}
	writeDir(t, filepath.Join(dir, "holdfast.h"), string(header))
	words := readmeCommand(t, "clang")
	cmd := exec.Command(words[0], append([]string{"-Wall", "-Wextra", "-Werror"}, words[1:]...)...)
	cmd.Dir = dir
	mustRun(t, cmd)
	checkReadmeLock(t, filepath.Join(dir, "mylock.wasm"))
}

func mustRun(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
}

// readmeCode returns the only block of code in a language.
func readmeCode(t *testing.T, language string) string {
	t.Helper()
	_, rest, ok := strings.Cut(readme(t), "\n```"+language+"\n")
	code, rest, ended := strings.Cut(rest, "\n```\n")
	if !ok || !ended || strings.Contains(rest, "```"+language) {
		t.Fatalf("README.md has not one block of %s", language)
	}
	return code + "\n"
}

// readmeCommand returns the words of the only command that begins with one. What is between
// quotes is one word.
func readmeCommand(t *testing.T, first string) []string {
	t.Helper()
	lines := regexp.MustCompile(`(?m)^ {4,}`+first+` .*$`).FindAllString(readme(t), -1)
	if len(lines) != 1 {
		t.Fatalf("README.md has %d commands that begin with %s", len(lines), first)
	}
	return regexp.MustCompile(`'[^']*'|\S+`).FindAllString(lines[0], -1)
}

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// checkReadmeLock holds a plugin that keeps a lock at a URL against a server, of which the
// answer to a swap is lost, or which gets a swap twice.
func checkReadmeLock(t *testing.T, plugin string) {
	for _, fault := range []string{"lost", "twice"} {
		t.Run(fault, func(t *testing.T) {
			locktest.RunInRealTime(t, func(tb testing.TB) locktest.Subject {
				s := &tagged{}
				server := httptest.NewServer(s)
				tb.Cleanup(server.Close)
				return locktest.Subject{
					Open:      func() (locking.Register, error) { return openAt(tb, plugin, server.URL) },
					LoseReply: func() { s.set(func() { s.fault = fault }) },
					Wipe: func() error {
						s.set(func() { s.body = nil })
						return nil
					},
				}
			})
		})
	}
	t.Run("foreign", func(t *testing.T) {
		server := httptest.NewServer(&tagged{body: []byte("hello")})
		t.Cleanup(server.Close)
		r, err := openAt(t, plugin, server.URL)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = r.Read(t.Context())
		wantError(t, err, locking.ErrForeign)
	})
	t.Run("no url", func(t *testing.T) {
		p, err := Load(t.Context(), Options{Path: plugin})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		_, err = p.Register(t.Context(), "/data/app.db")
		wantError(t, err, ErrInvalid, "url= is missing")
	})
}

func openAt(tb testing.TB, plugin, origin string) (*Register, error) {
	p, err := Load(tb.Context(), Options{Path: plugin, Allow: []string{origin}, Params: map[string][]string{"url": {origin + "/app"}}})
	if err != nil {
		return nil, err
	}
	tb.Cleanup(func() { p.Close() })
	r, err := p.Register(tb.Context(), "/data/app.db")
	if err == nil {
		tb.Cleanup(func() { r.Close() })
	}
	return r, err
}

// tagged is a server of one file that has a strong ETag and compares it when it writes.
type tagged struct {
	mu    sync.Mutex
	body  []byte // nil: there is none; guarded by mu
	fault string // of the next write; guarded by mu
}

func (s *tagged) set(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do()
}

func (s *tagged) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err != nil:
		w.WriteHeader(http.StatusBadRequest)
	case r.Method == "PUT":
		status := s.put(r, body)
		if status == http.StatusNoContent && s.fault == "lost" {
			s.fault = ""
			panic(http.ErrAbortHandler)
		}
		if status == http.StatusNoContent && s.fault == "twice" {
			s.fault = ""
			status = s.put(r, body)
		}
		w.WriteHeader(status)
	case s.body == nil:
		w.WriteHeader(http.StatusNotFound)
	default:
		w.Header().Set("ETag", s.tag())
		w.Write(s.body)
	}
}

func (s *tagged) put(r *http.Request, body []byte) int {
	match, none := r.Header.Get("If-Match"), r.Header.Get("If-None-Match")
	if none == "*" && s.body != nil || match != "" && (s.body == nil || match != s.tag()) {
		return http.StatusPreconditionFailed
	}
	if match == "" && none == "" {
		return http.StatusPreconditionRequired
	}
	s.body = body
	return http.StatusNoContent
}

func (s *tagged) tag() string {
	sum := sha256.Sum256(s.body)
	return fmt.Sprintf("%q", hex.EncodeToString(sum[:]))
}
