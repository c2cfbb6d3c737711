package wasmplugins

import (
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What a URL says is what a plugin gets, and the URL can be had back.
func TestFromURL(t *testing.T) {
	base := t.TempDir()
	dir, look := filepath.Join(base, "data"), filepath.Join(base, "look")
	path := filepath.Join(base, "my plugin.wasm")
	want := Options{
		Path:    path,
		SHA256:  strings.Repeat("0123abcd", 8),
		Allow:   []string{"https://a:1", "http://b"},
		Dirs:    []Dir{{dir, false}, {look, true}},
		Secrets: map[string]string{"token": "APP_TOKEN"},
		Params:  url.Values{"key": {"a b&c"}, "x": {"1", "2"}},
		Memory:  32 << 20,
		Limit:   1500 * time.Millisecond,
	}
	u, err := url.Parse(want.String())
	if err != nil {
		t.Fatal(err)
	}
	got, err := FromURL(u)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if text := (Options{Path: path, Memory: DefaultMemory, Limit: DefaultLimit}).String(); strings.Contains(text, "?") {
		t.Errorf("defaults are in %s", text)
	}
}

func TestBadURLs(t *testing.T) {
	for text, want := range map[string]string{
		"wasm:plugin.wasm":                                       "want wasm:///path",
		"wasm://host/plugin.wasm":                                "want wasm:///path",
		"wasm:///p.wasm?memory=lots":                             "want a size such as 64MB",
		"wasm:///p.wasm?memory=-1":                               "want a size such as 64MB",
		"wasm:///p.wasm?limit=soon":                              "invalid duration",
		"wasm:///p.wasm?limit=1s&limit=2s":                       "limit is there 2 times",
		"wasm:///p.wasm?secret=token":                            "want NAME:VARIABLE",
		"wasm:///p.wasm?secret=a:B&secret=a:C":                   "a has two variables",
		"wasm:///p.wasm?sha256=ab&sha256=cd":                     "sha256 is there 2 times",
		"wasm:///p.wasm?sha256=":                                 "want the 64 hex digits",
		"wasm:///p.wasm?sha256=0123abcd":                         "want the 64 hex digits",
		"wasm:///p.wasm?sha256=" + strings.Repeat("0", 66):       "want the 64 hex digits",
		"wasm:///p.wasm?sha256=" + strings.Repeat("0", 63) + "g": "want the 64 hex digits",
		"wasm:///p.wasm?x=%zz":                                   "invalid URL escape",
		"wasm:///p.wasm?allow=http://a&memory=1G":                "want a size such as 64MB",
	} {
		u, err := url.Parse(text)
		if err == nil {
			_, err = FromURL(u)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", text, err, want)
		}
	}
}

// Options that cannot be are refused before anything of the plugin runs.
func TestBadOptions(t *testing.T) {
	file := tree(t, map[string]string{"file": ""})
	plugin := plain().file(t)
	for name, tt := range map[string]struct {
		options Options
		want    string
	}{
		"no file":               {Options{Path: filepath.Join(file, "none.wasm")}, "none.wasm"},
		"a directory":           {Options{Path: file}, "want a file"},
		"not a module":          {Options{Path: filepath.Join(file, "file")}, "no WebAssembly module"},
		"another file":          {Options{Path: plugin, SHA256: strings.Repeat("0", 64)}, "and sha256= wants 0000"},
		"little memory":         {Options{Path: plugin, Memory: 1}, "memory of 1 bytes"},
		"no time":               {Options{Path: plugin, Limit: 1}, "limit of 1ns"},
		"relative directory":    {Options{Path: plugin, Dirs: []Dir{{Path: "data"}}}, "want an absolute path"},
		"no directory":          {Options{Path: plugin, Dirs: []Dir{{Path: filepath.Join(file, "none")}}}, "granted directory"},
		"a file as a directory": {Options{Path: plugin, Dirs: []Dir{{Path: plugin}}}, "is none"},
		"an origin with a path": {Options{Path: plugin, Allow: []string{"http://a/b"}}, "an origin ends after its port"},
		"an origin of a file":   {Options{Path: plugin, Allow: []string{"file:///a"}}, "want http://HOST:PORT"},
		"an origin with a user": {Options{Path: plugin, Allow: []string{"http://u@a"}}, "an origin ends after its port"},
		"any origin":            {Options{Path: plugin, Allow: []string{"*"}}, "want http://HOST:PORT"},
		"an unset secret":       {Options{Path: plugin, Secrets: map[string]string{"token": "HOLDFAST_TEST_UNSET"}}, "the environment has no HOLDFAST_TEST_UNSET"},
		"a secret as well":      {Options{Path: plugin, Secrets: map[string]string{"token": "PATH"}, Params: url.Values{"token": {"x"}}}, "token is there twice"},
		"the database":          {Options{Path: plugin, Params: url.Values{"database": {"x"}}}, "parameter database is not to be set"},
		"a byte 0":              {Options{Path: plugin, Params: url.Values{"x": {"a\x00b"}}}, "has a byte 0"},
		"too much to tell":      {Options{Path: plugin, Params: url.Values{"x": {strings.Repeat("x", mostConfig)}}}, "want up to"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := Load(t.Context(), tt.options)
			if err == nil {
				defer p.Close()
				_, err = p.Register(t.Context(), "/data/app.db")
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.ContainsRune(err.Error(), '\n') {
				t.Errorf("error %v, want %q in one line", err, tt.want)
			}
		})
	}
}

// A plugin that is pinned and the one that it was is loaded.
func TestPin(t *testing.T) {
	p, err := Load(t.Context(), Options{Path: plain().file(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	again, err := Load(t.Context(), Options{Path: p.name, SHA256: p.sum})
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
	if err := os.WriteFile(p.name, append(plain().bytes(), 0, 1, 0), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(t.Context(), Options{Path: p.name, SHA256: p.sum}); !errors.Is(err, ErrModule) {
		t.Errorf("another file: %v, want ErrModule", err)
	}
}
