// Command build builds the plugins of this directory from their sources: each directory with
// a main.go or a main.c.
//
//	go run ./wasmplugins/guests/build [-check] [NAME ...]
//
// It writes NAME/NAME.wasm, and SHA256SUMS with the checksums, the compilers and the commands.
// With -check it changes nothing, and fails unless what it builds is what is there. Without
// names it is about all plugins.
//
// Those in C need clang, lld and wasi-libc. Another clang than the recorded one makes other
// bytes, which then are not compared.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("build", flag.ContinueOnError)
	flags.SetOutput(stderr)
	check := flags.Bool("check", false, "change nothing, and fail if what is there was built from other sources")
	if flags.Parse(args) != nil {
		return 2
	}
	guests, err := guestsDir(ctx)
	if err == nil {
		err = (&builder{guests: guests, check: *check, out: stdout}).build(ctx, flags.Args())
	}
	if err != nil {
		fmt.Fprintln(stderr, "build:", err)
		return 1
	}
	return 0
}

// guestsDir returns the directory of the plugins in the module that the command runs in.
func guestsDir(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	mod := strings.TrimSpace(string(out))
	if err != nil || filepath.Base(mod) != "go.mod" {
		return "", fmt.Errorf("run it in the directory of Holdfast's sources: %v", err)
	}
	return filepath.Join(filepath.Dir(mod), "wasmplugins", "guests"), nil
}

// A builder builds the plugins in a directory.
type builder struct {
	guests string
	check  bool
	out    io.Writer
}

// build builds some plugins, or all, and writes or checks what there is.
func (b *builder) build(ctx context.Context, names []string) error {
	plugins, err := list(b.guests)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		names = plugins
	}
	sums, err := readSums(b.guests)
	if err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "holdfast-plugins-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	bad := 0
	for _, name := range names {
		if !slices.Contains(plugins, name) {
			return fmt.Errorf("there is no plugin %s: want one of %s", name, strings.Join(plugins, ", "))
		}
		says, err := b.one(ctx, name, filepath.Join(scratch, name+".wasm"), sums)
		if err != nil {
			bad++
			says = err.Error()
		}
		fmt.Fprintf(b.out, "%-10s %s\n", name, says)
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d plugins are wrong", bad, len(names))
	}
	if b.check {
		return sums.without(plugins)
	}
	return sums.write(b.guests, plugins)
}

// list returns the names of the plugins whose sources are in a directory.
func list(guests string) ([]string, error) {
	var names []string
	for _, source := range []string{"main.go", "main.c"} {
		found, err := filepath.Glob(filepath.Join(guests, "*", source))
		if err != nil {
			return nil, err
		}
		for _, path := range found {
			names = append(names, filepath.Base(filepath.Dir(path)))
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// one builds a plugin into a file, and returns what there is to say about it.
func (b *builder) one(ctx context.Context, name, file string, sums sums) (string, error) {
	r, err := recipeOf(ctx, filepath.Join(b.guests, name))
	if err != nil {
		return "", err
	}
	module, err := r.build(ctx, file)
	if err != nil {
		return "", err
	}
	built := entry{sum: sumOf(module), how: r.String()}
	present := filepath.Join(b.guests, name, name+".wasm")
	if !b.check {
		sums[name] = built
		return fmt.Sprintf("%s, %d bytes", built.sum, len(module)), os.WriteFile(present, module, 0o644)
	}
	there, err := os.ReadFile(present)
	if err != nil {
		return "", fmt.Errorf("%w: build it", err)
	}
	return compare(name, built, sums[name], there, module)
}

// compare says how what was built differs from what is there, and from what was recorded.
func compare(name string, built, recorded entry, there, module []byte) (string, error) {
	compiler, _, _ := strings.Cut(recorded.how, ": ")
	switch {
	case recorded.sum != sumOf(there):
		return "", fmt.Errorf("%s.wasm has the SHA-256 %s, and SHA256SUMS %q", name, sumOf(there), recorded.sum)
	case !strings.HasPrefix(built.how, compiler+": ") && !strings.HasPrefix(built.how, toolchain+": "):
		now, _, _ := strings.Cut(built.how, ": ")
		return fmt.Sprintf("builds, but was not compared: here is %s, and it was built by %s", now, compiler), nil
	case built.how != recorded.how:
		return "", fmt.Errorf("SHA256SUMS has another compiler or command: build it")
	case !bytes.Equal(there, module):
		return "", fmt.Errorf("%s.wasm is not what its sources make now: build it", name)
	}
	return "as built: " + built.sum, nil
}

func sumOf(module []byte) string {
	sum := sha256.Sum256(module)
	return hex.EncodeToString(sum[:])
}
