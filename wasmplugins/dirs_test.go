package wasmplugins

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// tree makes files, and returns the directory that they are in.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// A plugin uses the directories that it was granted, as they were granted, and nothing else.
func TestDirectoryGrants(t *testing.T) {
	base := tree(t, map[string]string{"mine/file": "content", "mine/old": "old", "theirs/secret": "SECRET", "look/file": "LOOK"})
	mine, theirs, look := filepath.Join(base, "mine"), filepath.Join(base, "theirs"), filepath.Join(base, "look")
	for link, to := range map[string]string{"absolute": theirs, "relative": "../theirs", "file-link": "../theirs/secret"} {
		if err := os.Symlink(to, filepath.Join(mine, link)); err != nil && runtime.GOOS != "windows" {
			t.Fatal(err)
		}
	}
	in := func(dir, name string) string { return guestPath(dir) + "/" + name }
	for name, tt := range map[string]struct {
		try  string
		args []string
		want string // "" for an error
	}{
		"read":                        {"read", []string{in(mine, "file")}, "content"},
		"read from the end":           {"seek", []string{in(mine, "file")}, "ent"},
		"write":                       {"write", []string{in(mine, "new")}, "written"},
		"rename":                      {"rename", []string{in(mine, "old"), in(mine, "renamed")}, "renamed"},
		"list":                        {"list", []string{guestPath(look)}, "file"},
		"make a directory":            {"mkdir", []string{in(mine, "made")}, "made"},
		"another directory":           {"read", []string{in(theirs, "secret")}, ""},
		"two points":                  {"read", []string{in(mine, "../theirs/secret")}, ""},
		"two points, deeper":          {"read", []string{in(mine, "made/../../theirs/secret")}, ""},
		"absolute link":               {"read", []string{in(mine, "absolute/secret")}, ""},
		"relative link":               {"read", []string{in(mine, "relative/secret")}, ""},
		"link to a file":              {"read", []string{in(mine, "file-link")}, ""},
		"list a link":                 {"list", []string{in(mine, "absolute")}, ""},
		"write through a link":        {"write", []string{in(mine, "file-link")}, ""},
		"new file through a link":     {"write", []string{in(mine, "relative/new")}, ""},
		"rename out":                  {"rename", []string{in(mine, "file"), in(mine, "../theirs/file")}, ""},
		"rename in":                   {"rename", []string{in(mine, "../theirs/secret"), in(mine, "x")}, ""},
		"link in":                     {"link", []string{in(mine, "../theirs/secret"), in(mine, "x")}, ""},
		"make a way out":              {"symlink", []string{theirs, in(mine, "way")}, ""},
		"remove through a link":       {"remove", []string{in(mine, "relative/secret")}, ""},
		"read-only: read":             {"read", []string{in(look, "file")}, "LOOK"},
		"read-only: write":            {"write", []string{in(look, "file")}, ""},
		"read-only: append":           {"append", []string{in(look, "file")}, ""},
		"read-only: create":           {"write", []string{in(look, "new")}, ""},
		"read-only: truncate":         {"truncate", []string{in(look, "file")}, ""},
		"read-only: remove":           {"remove", []string{in(look, "file")}, ""},
		"read-only: make a directory": {"mkdir", []string{in(look, "made")}, ""},
		"read-only: rename":           {"rename", []string{in(look, "file"), in(look, "other")}, ""},
		"read-only: rename out":       {"rename", []string{in(look, "file"), in(mine, "stolen")}, ""},
		"the root":                    {"list", []string{"/"}, ""},
		"the host's files":            {"read", []string{"/etc/passwd"}, ""},
		"the environment":             {"environment", nil, "none"},
	} {
		t.Run(name, func(t *testing.T) {
			got := probe(t, Options{Dirs: []Dir{{mine, false}, {look, true}}}, tt.try, tt.args...)
			switch {
			case tt.want == "none":
				if got != "" {
					t.Errorf("it got %q, want nothing", got)
				}
			case tt.want == "" && !strings.HasPrefix(got, "error: "), tt.want != "" && got != tt.want:
				t.Errorf("it got %q, want %q", got, tt.want)
			case strings.Contains(got, "SECRET"):
				t.Errorf("it got %q", got)
			}
		})
	}
	for path, want := range map[string]string{filepath.Join(theirs, "secret"): "SECRET", filepath.Join(look, "file"): "LOOK"} {
		if got, err := os.ReadFile(path); string(got) != want || err != nil {
			t.Errorf("%s is %q now, %v", path, got, err)
		}
	}
	for _, dir := range []string{theirs, look} {
		if entries, err := os.ReadDir(dir); len(entries) != 1 || err != nil {
			t.Errorf("%s has %v now, %v", dir, entries, err)
		}
	}
}

// Files that are open are bounded.
func TestManyOpenFiles(t *testing.T) {
	dir := tree(t, map[string]string{"file": ""})
	if got := probe(t, Options{Dirs: []Dir{{dir, true}}}, "open many", guestPath(dir)+"/file"); got != "63" {
		t.Errorf("it opened %s files, want 63: one is the directory", got)
	}
}
