package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// toolchain is the Go that builds the plugins, so that they are the same bytes everywhere.
const toolchain = "go1.26.8"

// A recipe says how a plugin is built.
type recipe struct {
	dir      string   // of the sources
	compiler string   // its version; no ": " in it
	env      []string // that matters
	command  []string // without the name of the output
}

// String returns the recipe as SHA256SUMS has it.
func (r recipe) String() string {
	var words []string
	for _, w := range append(r.env, r.command...) {
		if strings.ContainsRune(w, ' ') {
			w = "'" + w + "'"
		}
		words = append(words, w)
	}
	return r.compiler + ": " + strings.Join(words, " ")
}

// recipeOf returns the recipe for the sources in a directory.
func recipeOf(ctx context.Context, dir string) (recipe, error) {
	if _, err := os.Stat(filepath.Join(dir, "main.c")); err == nil {
		return inC(ctx, dir)
	}
	return recipe{dir: dir, compiler: toolchain,
		env:     []string{"GOOS=wasip1", "GOARCH=wasm", "GOTOOLCHAIN=" + toolchain, "GOFLAGS=", "GOWASM=", "GOEXPERIMENT="},
		command: []string{"go", "build", "-trimpath", "-buildvcs=false", "-buildmode=c-shared", "-ldflags", "-s -w -buildid="}}, nil
}

// inC returns the recipe for a main.c. What the bytes depend on is clang, its linker and the
// C library.
func inC(ctx context.Context, dir string) (recipe, error) {
	clang, err := firstLine(ctx, "clang", "--version")
	if err != nil {
		return recipe{}, err
	}
	lld, err := firstLine(ctx, "wasm-ld", "--version")
	if err != nil {
		return recipe{}, err
	}
	path, err := firstLine(ctx, "clang", "--target=wasm32-wasi", "-print-file-name=libc.a")
	if err != nil {
		return recipe{}, err
	}
	libc, err := os.ReadFile(path)
	if err != nil {
		return recipe{}, fmt.Errorf("wasi-libc is missing: %w; %s", err, install)
	}
	return recipe{dir: dir, compiler: fmt.Sprintf("%s, %s, libc.a %.16s", clang, lld, sumOf(libc)),
		command: []string{"clang", "--target=wasm32-wasi", "-mcpu=mvp", "-mbulk-memory", "-mexec-model=reactor", "-Oz",
			"-Wall", "-Wextra", "-Werror", "-Wl,-s,--stack-first,--compress-relocations", "main.c"}}, nil
}

const install = "on Debian: apt-get install clang lld wasi-libc libclang-rt-dev-wasm32"

func firstLine(ctx context.Context, name string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, name, args...).Output()
	if errors.Is(err, exec.ErrNotFound) {
		return "", fmt.Errorf("%w; %s", err, install)
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(line), nil
}

// build builds the plugin into a file, and returns the bytes.
func (r recipe) build(ctx context.Context, file string) ([]byte, error) {
	args := append(r.command[1:len(r.command):len(r.command)], "-o", file)
	if r.command[0] == "go" {
		args = append(args, ".")
	}
	cmd := exec.CommandContext(ctx, r.command[0], args...)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), r.env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", r, err, out)
	}
	return os.ReadFile(file)
}
