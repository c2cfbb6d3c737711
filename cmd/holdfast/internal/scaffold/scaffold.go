// Package scaffold writes the beginning of a plugin: one that builds at once, without a
// network, and works.
package scaffold

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/holdfastdb/holdfast/wasmplugins/c"
	"github.com/holdfastdb/holdfast/wasmplugins/guest"
)

//go:embed golock/main.go gofs/main.go clock/plugin.c server/main.go readme
var sources embed.FS

// goVersion is that of this module: the SDK is tried with no older one.
const goVersion = "1.26.0"

// A Kind is what a scaffold is of.
type Kind struct {
	Lang string // "go" or "c"
	Kind string // "lock" or "fs"
}

// check refuses what there is no scaffold of.
func (k Kind) check() error {
	switch {
	case k.Lang != "go" && k.Lang != "c":
		return fmt.Errorf("no scaffold in the language %q: use go or c", k.Lang)
	case k.Kind != "lock" && k.Kind != "fs":
		return fmt.Errorf("no scaffold of the kind %q: use lock or fs", k.Kind)
	case k.Lang == "c" && k.Kind == "fs":
		return errors.New("no scaffold of a file system in C: use the language go")
	}
	return nil
}

// ErrKind: there is no such scaffold.
var ErrKind = errors.New("no such scaffold")

// Write writes a scaffold into a directory, which it makes, and returns the name of the
// plugin. It returns an [ErrKind] for a scaffold that there is none of, and refuses a
// directory that has anything in it.
func Write(dir string, kind Kind) (name string, err error) {
	if err := kind.check(); err != nil {
		return "", kindError{err}
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	name = pluginName(filepath.Base(abs))
	files, err := kind.files(name)
	if err != nil {
		return "", err
	}
	if err := makeEmpty(dir); err != nil {
		return "", err
	}
	for path, text := range files {
		if err := writeNew(filepath.Join(dir, filepath.FromSlash(path)), text); err != nil {
			return "", err
		}
	}
	return name, nil
}

type kindError struct{ error }

func (kindError) Is(target error) bool { return target == ErrKind }

// makeEmpty makes a directory, or finds one that is empty.
func makeEmpty(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s is not empty: give the name of a new directory", dir)
	}
	return nil
}

// writeNew writes a file that is not there yet.
func writeNew(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	mode := fs.FileMode(0o666)
	if strings.HasSuffix(path, ".sh") {
		mode = 0o777
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

var notInName = regexp.MustCompile(`[^a-z0-9_-]+`)

// pluginName makes a name for the plugin of one of a directory.
func pluginName(base string) string {
	name := strings.Trim(notInName.ReplaceAllString(strings.ToLower(base), "-"), "-_")
	if name == "" {
		return "plugin"
	}
	return name
}

// files are the contents of the scaffold by path.
func (k Kind) files(name string) (map[string]string, error) {
	files := map[string]string{}
	add := func(path, from string) error {
		text, err := sources.ReadFile(from)
		files[path] = strings.NewReplacer("PLUGIN", name, "BUILD", k.buildCommand(name)).Replace(string(text))
		return err
	}
	files["build.sh"] = k.buildScript(name)
	main := "main.go"
	if k.Lang == "c" {
		main = "plugin.c"
		files["holdfast.h"] = c.Header
	} else {
		files["go.mod"] = fmt.Sprintf("module example.com/%s\n\ngo %s\n\nrequire %s v0.0.0\n\nreplace %[3]s => ./guest\n", name, goVersion, sdk)
		files["guest/go.mod"] = fmt.Sprintf("module %s\n\ngo %s\n", sdk, goVersion)
		if err := addSDK(files); err != nil {
			return nil, err
		}
	}
	err := errors.Join(add(main, k.Lang+k.Kind+"/"+main), add("README.md", "readme/"+k.Lang+k.Kind+".md"))
	if k.Kind == "lock" {
		err = errors.Join(err, add("server/main.go", "server/main.go"))
	}
	return files, err
}

// sdk is the module path that the SDK has in a scaffold.
const sdk = "github.com/holdfastdb/holdfast/wasmplugins/guest"

// addSDK adds what a plugin needs of the SDK.
func addSDK(files map[string]string) error {
	return fs.WalkDir(guest.Source, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasSuffix(path, "_test.go") || path == "source.go" {
			return err
		}
		text, err := guest.Source.ReadFile(path)
		files["guest/"+path] = string(text)
		return err
	})
}

// buildCommand is what makes the plugin.
func (k Kind) buildCommand(name string) string {
	if k.Lang == "c" {
		return "clang --target=wasm32-wasi -mcpu=mvp -mexec-model=reactor -Os -Wl,-s,--stack-first -o " + name + ".wasm plugin.c"
	}
	return "GOOS=wasip1 GOARCH=wasm go build -trimpath -buildmode=c-shared -ldflags '-s -w' -o " + name + ".wasm ."
}

// buildScript is the command as a script. A workspace around the scaffold does not matter.
func (k Kind) buildScript(name string) string {
	script := "#!/bin/sh\nset -e\ncd \"$(dirname \"$0\")\"\n"
	if k.Lang == "go" {
		script += "GOWORK=off "
	}
	return script + k.buildCommand(name) + "\n"
}
