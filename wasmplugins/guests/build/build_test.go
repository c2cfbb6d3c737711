package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfastdb/holdfast/internal/testservers"
)

// What is checked in is what SHA256SUMS says, for all plugins and no others. That it is also
// what the sources make takes the compilers: go run ./wasmplugins/guests/build -check.
func TestCheckedIn(t *testing.T) {
	plugins, err := list("..")
	if err != nil || len(plugins) == 0 {
		t.Fatal(plugins, err)
	}
	recorded, err := readSums("..")
	if err != nil {
		t.Fatal(err)
	}
	if err := recorded.without(plugins); err != nil {
		t.Error(err)
	}
	for _, name := range plugins {
		module, err := os.ReadFile(filepath.Join("..", name, name+".wasm"))
		if err != nil {
			t.Error(err)
			continue
		}
		if got := sumOf(module); got != recorded[name].sum {
			t.Errorf("%s.wasm has %s, and SHA256SUMS %q", name, got, recorded[name].sum)
		}
		if !strings.Contains(recorded[name].how, ": ") {
			t.Errorf("SHA256SUMS does not say how %s was built", name)
		}
	}
}

func TestSums(t *testing.T) {
	want := sums{"a": {strings.Repeat("1", 64), "go1: go build '-s -w'"}, "b": {strings.Repeat("2", 64), "clang 1, lld 2: clang main.c"}}
	got, err := parseSums(want.String())
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(entry{})); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for _, text := range []string{"hello", "11  a/b.wasm", "11  a.wasm", "11 a/a.wasm"} {
		if _, err := parseSums(text); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

// place is a module with plugins of its own.
func place(t *testing.T, sources map[string]string) *builder {
	t.Helper()
	dir := t.TempDir()
	sources["go.mod"] = "module example.com/plugins\n\ngo 1.26.0\n"
	for path, text := range sources {
		put(t, filepath.Join(dir, path), text)
	}
	return &builder{guests: dir, out: &bytes.Buffer{}}
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

// try builds, or checks, and wants an error or a line that says something.
func (b *builder) try(t *testing.T, check bool, says string, names ...string) {
	t.Helper()
	b.check, b.out = check, &bytes.Buffer{}
	err := b.build(t.Context(), names)
	all := b.out.(*bytes.Buffer).String()
	if err != nil {
		all += err.Error()
	}
	if !strings.Contains(all, says) || says == "" && err != nil {
		t.Errorf("check=%v says %q, want %q", check, all, says)
	}
}

func TestBuildAndCheck(t *testing.T) {
	const source = "package main\n\nfunc main() {}\n"
	b := place(t, map[string]string{"mini/main.go": source, "tool/tool.go": source})
	module := filepath.Join(b.guests, "mini", "mini.wasm")
	b.try(t, true, "build it")
	b.try(t, false, "there is no plugin tool", "tool")
	b.try(t, false, "")
	if _, err := os.Stat(module); err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS == "linux" {
		cmd := exec.Command("sha256sum", "--check", "--strict", sumsFile)
		cmd.Dir = b.guests
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("sha256sum: %v\n%s", err, out)
		}
	}
	b.try(t, true, "as built")

	put(t, filepath.Join(b.guests, "mini", "main.go"), source+"\nfunc init() { println(\"new\") }\n")
	b.try(t, true, "is not what its sources make")
	b.try(t, false, "")
	b.try(t, true, "as built")

	built, err := os.ReadFile(module)
	if err != nil {
		t.Fatal(err)
	}
	put(t, module, string(built[:len(built)-1])+"x")
	b.try(t, true, "has the SHA-256")
	put(t, module, string(built))

	put(t, filepath.Join(b.guests, "mini", "main.go"), "package main\n\nfunc main() { no }\n")
	b.try(t, true, "undefined: no")
	put(t, filepath.Join(b.guests, "mini", "main.go"), source)

	recorded, err := os.ReadFile(filepath.Join(b.guests, sumsFile))
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(b.guests, sumsFile), strings.ReplaceAll(string(recorded), toolchain, "go1.1"))
	b.try(t, true, "another compiler")
	put(t, filepath.Join(b.guests, sumsFile), string(recorded)+strings.ReplaceAll(string(recorded), "mini", "gone"))
	b.try(t, false, "")
	if now, err := readSums(b.guests); len(now) != 1 || err != nil {
		t.Errorf("sums of what is gone: %v, %v", now, err)
	}
}

// A plugin in C must build with any clang, and is compared if it is the recorded one.
func TestCheckInC(t *testing.T) {
	testservers.Need(t)
	const source = "int answer(void);\nint answer(void) { return 42; }\n"
	b := place(t, map[string]string{"mini/main.c": source})
	b.try(t, false, "")
	b.try(t, true, "as built")
	put(t, filepath.Join(b.guests, "mini", "main.c"), source+"__attribute__((export_name(\"x\"))) int x(void) { return 1; }\n")
	b.try(t, true, "is not what its sources make")

	recorded, err := os.ReadFile(filepath.Join(b.guests, sumsFile))
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(b.guests, sumsFile), strings.ReplaceAll(string(recorded), "clang version ", "clang version 9"))
	b.try(t, true, "was not compared")
	put(t, filepath.Join(b.guests, "mini", "main.c"), "no\n")
	b.try(t, true, "error:")
}
