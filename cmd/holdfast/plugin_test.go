package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfastdb/holdfast/internal/testservers"
	wasmc "github.com/holdfastdb/holdfast/wasmplugins/c"
)

// newPlugin writes a scaffold, and returns its directory and what was said.
func newPlugin(t *testing.T, name string, flags ...string) (dir string, got outcome) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), name)
	got = runCommand(t, "", append([]string{"plugin", "new", dir}, flags...)...)
	if got.code != done || got.err != "" {
		t.Fatalf("plugin new: %+v", got)
	}
	return dir, got
}

// builtScaffold builds what is in a directory as its own script does, with no network and no
// cache of modules.
func builtScaffold(t *testing.T, dir string) string {
	t.Helper()
	script, err := os.ReadFile(filepath.Join(dir, "build.sh"))
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Base(dir) + ".wasm"
	const command = "GOWORK=off GOOS=wasip1 GOARCH=wasm go build -trimpath -buildmode=c-shared -ldflags '-s -w' -o "
	if !strings.HasSuffix(string(script), "\n"+command+name+" .\n") {
		t.Fatalf("build.sh is\n%s\nwhich is not what is tried here", script)
	}
	t.Setenv("GOFLAGS", "-mod=mod")
	t.Setenv("GOPROXY", "off")
	t.Setenv("GOMODCACHE", filepath.Join(t.TempDir(), "none"))
	t.Setenv("GOWORK", "off")
	if err := builtPlugin(dir, name); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, name)
}

// scaffoldServer runs the server that is beside a scaffold, and returns its URL.
func scaffoldServer(t *testing.T, dir string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "server.exe")
	build := exec.Command("go", "build", "-o", program, "./server")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the server: %v\n%s", err, out)
	}
	server := exec.CommandContext(t.Context(), program, "-listen", "127.0.0.1:0")
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Wait() })
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(url)
}

// TestScaffold: the scaffold of a lock builds with Go alone, says what it is, and keeps all
// promises.
func TestScaffold(t *testing.T) {
	dir, said := newPlugin(t, "mylock")
	if !strings.Contains(said.out, "sh build.sh\n") || !strings.Contains(said.out, "holdfast plugin info mylock.wasm\n") {
		t.Errorf("it says %q", said.out)
	}
	plugin := builtScaffold(t, dir)
	info := runCommand(t, "", "plugin", "info", plugin)
	for _, want := range []string{"│ name       │ mylock ", "a lock ", "version 1 ", "url: of the key", "allow: the origin of url=", "holdfast_swap", "holdfast: http"} {
		if !strings.Contains(info.out, want) || info.code != done || info.err != "" {
			t.Errorf("information without %q: %+v", want, info)
		}
	}
	if testing.Short() {
		return
	}
	url := scaffoldServer(t, dir)
	got := runCommand(t, "", checkArgs(plugin, url, "--wipe", deleteCommand(url))...)
	if got.code != done || got.err != "" || strings.Contains(got.out, "not tried") {
		t.Errorf("check: exit code %d, %s\n%s", got.code, got.err, got.out)
	}
	for _, name := range []string{"Loads", "Fresh", "Atomic", "Doubt", "Memory", "Unreachable", "Silent", "InTime"} {
		if !strings.Contains(got.row(name), "passed") {
			t.Errorf("no row of %s in\n%s", name, got.out)
		}
	}
}

// TestScaffoldFS: that of a file system keeps all promises, and one that loses a byte is caught.
func TestScaffoldFS(t *testing.T) {
	dir, _ := newPlugin(t, "myfiles", "--kind", "fs")
	plugin := builtScaffold(t, dir)
	parent := t.TempDir()
	root := filepath.Join(parent, "check-{}")
	args := []string{"plugin", "check", plugin, "root=" + filepath.ToSlash(root), "--dir", root}
	if got := runCommand(t, "", args...); got.code != done || got.err != "" || strings.Contains(got.out, "not tried") {
		t.Errorf("check: exit code %d, %s\n%s", got.code, got.err, got.out)
	}
	if left, err := os.ReadDir(parent); len(left) > 0 || err != nil {
		t.Errorf("%v are left (%v)", left, err)
	}
	if testing.Short() {
		return
	}
	source, err := os.ReadFile(filepath.Join(dir, "main.go"))
	if err != nil {
		t.Fatal(err)
	}
	lying := strings.Replace(string(source), "return f.File.WriteAt(p, off)", "_, err := f.File.WriteAt(p[:len(p)-1], off); return len(p), err", 1)
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(lying), 0o600); err != nil || lying == string(source) {
		t.Fatalf("plant a fault: %v", err)
	}
	builtScaffold(t, dir)
	const check = "another instance finds what was synced"
	if got := runCommand(t, "", append(args, "--only", check)...); got.code != failed || !strings.Contains(got.out, "FAILED") {
		t.Errorf("check of one that loses a byte: exit code %d, %s\n%s", got.code, got.err, got.out)
	}
}

// TestScaffoldVersion: a scaffold wants the version of Go that it is tried with.
func TestScaffoldVersion(t *testing.T) {
	dir, _ := newPlugin(t, "mylock")
	ours := goLine(t, filepath.Join("..", ".."))
	for _, module := range []string{dir, filepath.Join(dir, "guest")} {
		if line := goLine(t, module); line != ours {
			t.Errorf("go.mod of %s has %q, want %q", module, line, ours)
		}
	}
}

// goLine returns what the go.mod in a directory says of the version of Go.
func goLine(t *testing.T, dir string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "go ") {
			return line
		}
	}
	t.Fatalf("no version in\n%s", text)
	return ""
}

// TestScaffoldC: that of a lock in C has the header that is meant for it, and what clang is to
// be called with.
func TestScaffoldC(t *testing.T) {
	dir, _ := newPlugin(t, "mine", "--lang", "c")
	header, err := os.ReadFile(filepath.Join(dir, "holdfast.h"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wasmc.Header, string(header)); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
	for name, want := range map[string]string{"plugin.c": `"name", "mine",`, "build.sh": "-o mine.wasm plugin.c\n", "README.md": "plugin check mine.wasm"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !strings.Contains(string(text), want) || strings.Contains(string(text), "PLUGIN") {
			t.Errorf("%s (%v) does not have %q:\n%s", name, err, want, text)
		}
	}
}

// TestPluginNewRefuses: nothing is written over, nor beside something.
func TestPluginNewRefuses(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.WriteFile("main.go", []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"not empty", []string{"."}, failed, "not empty"},
		{"a file", []string{"main.go"}, failed, "main.go"},
		{"below a file", []string{"main.go/x"}, failed, "main.go"},
		{"another language", []string{"x", "--lang", "rust"}, misuse, "use go or c"},
		{"another kind", []string{"x", "--kind", "shell"}, misuse, "use lock or fs"},
		{"a file system in C", []string{"x", "--lang", "c", "--kind", "fs"}, misuse, "use the language go"},
		{"nothing", nil, misuse, "DIR is missing"},
		{"two", []string{"x", "y"}, misuse, "one argument too many"},
		{"a lock", []string{"x", "--lock", "flock"}, misuse, "mean nothing here"},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := tree(t)
			got := runCommand(t, "", append([]string{"plugin", "new"}, test.args...)...)
			got.oneLine(t, test.want)
			if got.code != test.code {
				t.Errorf("exit code %d, want %d", got.code, test.code)
			}
			if diff := cmp.Diff(before, tree(t)); diff != "" {
				t.Errorf("files (-before +after):\n%s", diff)
			}
		})
	}
	if runtime.GOOS != "windows" {
		if info, err := os.Stat(filepath.Join(mustNew(t), "build.sh")); err != nil || info.Mode()&0o100 == 0 {
			t.Errorf("build.sh cannot be run: %v", err)
		}
	}
}

func mustNew(t *testing.T) string {
	dir, _ := newPlugin(t, "x")
	return dir
}

// TestScaffoldCBuilds: that of a lock in C builds as its script says, and keeps all promises.
// It needs clang, lld and wasi-libc.
func TestScaffoldCBuilds(t *testing.T) {
	testservers.Need(t)
	dir, _ := newPlugin(t, "mine", "--lang", "c")
	if out, err := exec.Command("sh", filepath.Join(dir, "build.sh")).CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	url := newKeyServer(t, new(keyServer))
	got := runCommand(t, "", checkArgs(filepath.Join(dir, "mine.wasm"), url, "--wipe", deleteCommand(url))...)
	if got.code != done || got.err != "" || strings.Contains(got.out, "not tried") {
		t.Errorf("check: exit code %d, %s\n%s", got.code, got.err, got.out)
	}
}
