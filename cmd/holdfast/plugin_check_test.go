package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfastdb/holdfast/wasmplugins"
)

// builtPlugin builds the plugin in a directory.
func builtPlugin(dir, out string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-buildmode=c-shared", "-ldflags", "-s -w", "-o", out, ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", dir, err, text)
	}
	return nil
}

// liarPlugin is the plugin that lies as it is told to. It is compiled already: tests that begin
// together would each do it, and a check is failed by a plugin that takes long to load.
var liarPlugin = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "holdfast-liar-")
	if err != nil {
		return "", err
	}
	atEnd = append(atEnd, func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "liar.wasm")
	if err := builtPlugin(filepath.Join("internal", "plugincheck", "testdata", "liar"), path); err != nil {
		return "", err
	}
	p, err := wasmplugins.Load(context.Background(), wasmplugins.Options{Path: path})
	return path, errors.Join(err, p.Close())
})

// A keyServer keeps keys as the plugins of the tests want it, with one fault.
type keyServer struct {
	fault string
	hang  func(n int) bool // whether the n-th request is never answered; nil: none is
	ended chan struct{}

	mu       sync.Mutex
	requests int // guarded by mu
	writes   int // guarded by mu
	keys     map[string]keyEntry
}

type keyEntry struct {
	etag      string
	now, past []byte
}

// newKeyServer returns the URL of a server that has a fault.
func newKeyServer(t *testing.T, s *keyServer) string {
	t.Helper()
	s.keys, s.ended = map[string]keyEntry{}, make(chan struct{})
	server := httptest.NewServer(s)
	t.Cleanup(func() {
		close(s.ended)
		server.Close()
	})
	return server.URL
}

func (s *keyServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.requests++
	hang := s.hang != nil && s.hang(s.requests)
	s.mu.Unlock()
	if hang {
		<-s.ended
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key, there := s.keys[r.URL.Path]
	if s.fault != "" && r.Method == http.MethodDelete {
		s.writes = 0 // its ETags begin anew
	}
	match, none := r.Header.Get("If-Match"), r.Header.Get("If-None-Match")
	refuse := match != "" && (!there || match != key.etag) || none == "*" && there
	switch {
	case refuse && s.fault != "two winners":
		w.WriteHeader(http.StatusPreconditionFailed)
	case r.Method == http.MethodPut:
		s.writes++
		key = keyEntry{fmt.Sprintf(`"%d"`, s.writes), body, key.now}
		s.keys[r.URL.Path] = key
		w.Header().Set("ETag", key.etag)
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodDelete:
		delete(s.keys, r.URL.Path)
	case !there:
		w.WriteHeader(http.StatusNotFound)
	case s.fault == "stale" && key.past != nil && s.requests%3 == 0:
		w.Header().Set("ETag", key.etag)
		w.Write(key.past)
	default:
		w.Header().Set("ETag", key.etag)
		w.Write(key.now)
	}
}

// checkArgs are those of a check of a plugin on a server.
func checkArgs(plugin, server string, more ...string) []string {
	return append([]string{"plugin", "check", plugin, "url=" + server + "/check-{}", "--allow", server}, more...)
}

// row returns the line of the table that begins with a name.
func (o outcome) row(name string) string {
	for line := range strings.Lines(o.out) {
		if cells := strings.Split(line, "│"); len(cells) > 2 && strings.TrimSpace(cells[1]) == name {
			return line
		}
	}
	return ""
}

// TestCheckFindsLies: of a plugin that breaks a promise, or whose server does, the check that is
// named for the promise fails; one without a fault passes all of them.
func TestCheckFindsLies(t *testing.T) {
	t.Parallel()
	liar, err := liarPlugin()
	if err != nil {
		t.Fatal(err)
	}
	run := func(t *testing.T, fault, server string, args ...string) outcome {
		url := newKeyServer(t, &keyServer{fault: server})
		return runCommand(t, "", checkArgs(liar, url, append(args, "fault="+fault, "--wipe", deleteCommand(url))...)...)
	}
	tests := []struct {
		fault, server string
		check         string
		want          string // in the remark
		args          []string
	}{
		{"no condition", "", "Atomic", "racer", nil},
		{"takes all", "", "CreateOnce", "", nil},
		{"", "two winners", "Atomic", "racer", nil},
		{"", "stale", "Fresh", "", nil},
		{"keeps what it read", "", "Fresh", "read version", nil},
		{"keeps what it read", "", "FreshWhileWritten", "read value", nil},
		{"version is of the content", "", "Monotonic", "which was there before", nil},
		{"version is the ETag", "resets", "MonotonicAfterWipe", "came back", nil},
		{"repeats", "", "Doubt", "want ErrDoubt", nil},
		{"repeats", "", "DoubtOnCreate", "want ErrDoubt", nil},
		{"cuts", "", "Bounded", "bytes", nil},
		{"cuts", "", "Largest", "60000 bytes than the 65536", nil},
		{"is its own", "", "Instances", "in a new instance", nil},
		{"leaks", "", "Memory", "an instance grew from", nil},
		{"unreachable is unused", "", "Unreachable", "want code 3", nil},
		{"reads at open", "", "Silent", "though nobody answered", nil},
		{"hangs", "", "InTime", "ran out of its time", []string{"--limit", "2s", "--only", "Fresh"}},
	}
	for _, test := range tests {
		t.Run(test.fault+test.server+" "+test.check, func(t *testing.T) {
			t.Parallel()
			got := run(t, test.fault, test.server, append(test.args, "--only", test.check)...)
			if row := got.row(test.check); got.code != failed || !strings.Contains(row, "FAILED") || !strings.Contains(unwrapped(got.out), test.want) {
				t.Errorf("exit code %d, %s\n%s", got.code, got.err, got.out)
			}
		})
	}
	t.Run("honest", func(t *testing.T) {
		t.Parallel()
		var args []string
		for _, test := range tests {
			if test.check != "Memory" && test.check != "Silent" { // these take seconds: TestScaffold has them pass
				args = append(args, "--only", test.check)
			}
		}
		got := run(t, "", "", args...)
		if got.code != done || got.err != "" || strings.Contains(got.out, "not tried") {
			t.Errorf("exit code %d, %s\n%s", got.code, got.err, got.out)
		}
		for _, test := range tests {
			if slices.Contains(args, test.check) && !strings.Contains(got.row(test.check), "passed") {
				t.Errorf("no row of %s in\n%s", test.check, got.out)
			}
		}
	})
}

// deleteCommand is what deletes a cell of a server: this program again, which every system has.
func deleteCommand(server string) string {
	exe, err := os.Executable()
	if err != nil {
		return err.Error()
	}
	if runtime.GOOS == "windows" {
		return fmt.Sprintf(`set %s=%s/check-{}&& "%s"`, asDeleter, server, exe)
	}
	return fmt.Sprintf("%s='%s/check-{}' '%s'", asDeleter, server, exe)
}

// asDeleter has the test binary delete the key of a server that it names.
const asDeleter = "HOLDFAST_TEST_DELETE"

func deleteKey(url string) int {
	request, err := http.NewRequest(http.MethodDelete, url, nil)
	if err != nil {
		return failed
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return failed
	}
	answer.Body.Close()
	return done
}

// unwrapped is the text of a table in one line.
func unwrapped(table string) string {
	var remark []string
	for line := range strings.Lines(table) {
		if cells := strings.Split(line, "│"); len(cells) > 4 {
			remark = append(remark, strings.TrimSpace(cells[4]))
		}
	}
	return strings.Join(remark, " ")
}

func TestCheckWithoutWipe(t *testing.T) {
	t.Parallel()
	liar, err := liarPlugin()
	if err != nil {
		t.Fatal(err)
	}
	got := runCommand(t, "", checkArgs(liar, newKeyServer(t, new(keyServer)), "--only", "MonotonicAfterWipe")...)
	if row := got.row("MonotonicAfterWipe"); got.code != done || !strings.Contains(row, "not tried") || !strings.Contains(row, "give --wipe") {
		t.Errorf("without --wipe: %+v", got)
	}
	got = runCommand(t, "", checkArgs(liar, newKeyServer(t, new(keyServer)), "--only", "MonotonicAfterWipe", "--wipe", "exit 3")...)
	if row := got.row("MonotonicAfterWipe"); got.code != failed || !strings.Contains(row, "FAILED") {
		t.Errorf("with a command that fails: %+v", got)
	}
}

// TestCheckIsBounded: a server that stops to answer is waited for as long as was said.
func TestCheckIsBounded(t *testing.T) {
	t.Parallel()
	liar, err := liarPlugin()
	if err != nil {
		t.Fatal(err)
	}
	url := newKeyServer(t, &keyServer{hang: func(n int) bool { return n > 5 }})
	start := time.Now()
	got := runCommand(t, "", checkArgs(liar, url, "--only", "Fresh", "--limit", "5m", "--timeout", "2s")...)
	if row := got.row("Fresh"); got.code != failed || !strings.Contains(row, "FAILED") || !strings.Contains(row, "more than 2s") {
		t.Errorf("%+v", got)
	}
	if took := time.Since(start); took > time.Minute {
		t.Errorf("it took %v", took)
	}
}

// TestCheckIsInterrupted: an interrupt ends a check at once, and what was found is shown.
func TestCheckIsInterrupted(t *testing.T) {
	t.Parallel()
	liar, err := liarPlugin()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	url := newKeyServer(t, &keyServer{hang: func(n int) bool {
		if n > 5 {
			cancel()
		}
		return n > 5
	}})
	start := time.Now()
	got := runContext(ctx, "", checkArgs(liar, url, "--limit", "5m", "--timeout", "5m")...)
	if got.code != failed || !strings.HasSuffix(got.err, "holdfast: plugin check: interrupted\n") || !strings.Contains(got.row("Loads"), "passed") {
		t.Errorf("%+v", got)
	}
	if took := time.Since(start); took > time.Minute {
		t.Errorf("it took %v", took)
	}
}

// TestCheckCannotBegin: what is wrong with the configuration is one line, and no table.
func TestCheckCannotBegin(t *testing.T) {
	t.Parallel()
	liar, err := liarPlugin()
	if err != nil {
		t.Fatal(err)
	}
	url := newKeyServer(t, new(keyServer))
	text := filepath.Join(t.TempDir(), "text.wasm")
	if err := os.WriteFile(text, []byte("this is no module"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"no grant", []string{"plugin", "check", liar, "url=" + url + "/{}"}, failed, "add allow=http"},
		{"a parameter is missing", []string{"plugin", "check", liar, "fault={}"}, failed, "url= is missing"},
		{"a parameter is unknown", checkArgs(liar, url, "x=y"), failed, "unknown parameter"},
		{"nothing is fresh", []string{"plugin", "check", liar, "url=" + url + "/key", "--allow", url}, misuse, "write {} into the parameter"},
		{"no such check", checkArgs(liar, url, "--only", "Honest"), misuse, "there are Unused, "},
		{"no time", checkArgs(liar, url, "--timeout", "0s"), misuse, "--timeout must be"},
		{"a wrong limit", checkArgs(liar, url, "--limit", "soon"), misuse, "limit=soon"},
		{"no such file", checkArgs(liar+"x", url), failed, "no such file"},
		{"a text", checkArgs(text, url), failed, "no WebAssembly module"},
		{"no file", []string{"plugin", "check"}, misuse, "FILE is missing"},
		{"no parameter", []string{"plugin", "check", liar, "key"}, misuse, "no NAME=VALUE"},
		{"a lock", []string{"plugin", "check", "--lock", "flock", liar}, misuse, "mean nothing here"},
		{"no command", []string{"plugin", "chek"}, misuse, "use new, info or check"},
		{"information on a text", []string{"plugin", "info", text}, failed, "no WebAssembly module"},
		{"information on two", []string{"plugin", "info", text, text}, misuse, "one argument too many"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := runCommand(t, "", test.args...)
			got.oneLine(t, test.want)
			if got.code != test.code {
				t.Errorf("exit code %d, want %d", got.code, test.code)
			}
		})
	}
}

// TestCheckByURL: a whole URL names a plugin as lock= takes it.
func TestCheckByURL(t *testing.T) {
	t.Parallel()
	liar, err := liarPlugin()
	if err != nil {
		t.Fatal(err)
	}
	url := newKeyServer(t, new(keyServer))
	name := "wasm://" + filepath.ToSlash(liar) + "?url=" + url + "/{}&allow=" + url
	if runtime.GOOS == "windows" {
		name = strings.Replace(name, "wasm://", "wasm:///", 1)
	}
	if got := runCommand(t, "", "plugin", "check", name, "--only", "Unused"); got.code != done || got.err != "" {
		t.Errorf("%+v", got)
	}
}
