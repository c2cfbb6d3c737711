package wasmplugins

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// pairs writes texts as holdfast_about returns them, with the code before.
func pairs(texts ...string) []byte {
	return []byte("\x00\x00\x00\x00" + strings.Join(texts, "\x00") + "\x00")
}

// about is a plain module that says something of itself.
func about(texts ...string) *module {
	m := plain()
	reply := pairs(texts...)
	m.data[8192] = reply
	return m.with(exportAbout, constI64(8192|int64(len(reply))<<32))
}

func TestDescribe(t *testing.T) {
	m := about("name", "mine", "version", "1.2", "about", "a lock", "parameter", "url: where", "parameter", "user: who",
		"wants", "allow: the origin of url=", "colour", "green")
	m.importing("wasi_snapshot_preview1", "sched_yield", signature{nil, i32})
	p, err := loaded(t, m)
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(got.Path)
	if err != nil {
		t.Fatal(err)
	}
	want := Description{
		Path: p.options.Path, Size: int(info.Size()), SHA256: p.sum, Lock: true,
		Exports: []string{"holdfast_abi", "holdfast_about", "holdfast_buffer", "holdfast_open", "holdfast_read", "holdfast_swap"},
		Imports: []string{"wasi_snapshot_preview1: sched_yield"},
		Oldest:  1, Newest: 1, Memory: 8 * wasmPage,
		Name: "mine", Version: "1.2", About: "a lock",
		Parameters: []string{"url: where", "user: who"},
		Wants:      []string{"allow: the origin of url="},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("description (-want +got):\n%s", diff)
	}
}

// What a plugin says of itself is shown on terminals: one line each, of what can be seen, and
// not without end.
func TestDescribeHostile(t *testing.T) {
	texts := []string{
		"name", "\x1b[2J\x1b]0;title\x07\r\nsecond line",
		"about", strings.Repeat("long ", 1000),
		"version", "1\u202e2\u200b3\xff",
	}
	for range 300 {
		texts = append(texts, "parameter", "another")
	}
	p, err := loaded(t, about(append(texts, "odd")...))
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := Description{Name: "[2J ]0;title   second line", Version: "1 2 3?", About: strings.Repeat("long ", 40)[:199] + "…"}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Description{}, "Path", "Size", "SHA256", "Lock", "Exports", "Oldest", "Newest", "Memory", "Parameters")); diff != "" {
		t.Errorf("description (-want +got):\n%s", diff)
	}
	if n := len(got.Parameters); n != mostEntries+1 || got.Parameters[n-1] != "… and more" {
		t.Errorf("%d parameters, the last of which is %q", n, got.Parameters[n-1])
	}
}

// A plugin that does not tell is described by what is known anyway.
func TestDescribeBroken(t *testing.T) {
	for name, bad := range badly {
		if bad.body == nil {
			continue
		}
		t.Run(name, func(t *testing.T) {
			p, err := loaded(t, plain().with(exportAbout, bad.body))
			if err != nil {
				t.Fatal(err)
			}
			if unending(name) {
				p.options.Limit = limit
			}
			got, err := p.Describe(t.Context())
			if !errors.Is(err, ErrBroken) || !strings.Contains(err.Error(), bad.says) {
				t.Errorf("error %v, want one that says %q", err, bad.says)
			}
			if got.SHA256 != p.sum || len(got.Exports) != 6 || got.Memory != 8*wasmPage {
				t.Errorf("description %+v", got)
			}
		})
	}
}

// A plugin that speaks other versions of the interface only can be looked at.
func TestDescribeOtherVersion(t *testing.T) {
	p, err := loaded(t, plain().with(exportABI, constI64(7|9<<32)))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := p.Describe(t.Context()); err != nil || got.Oldest != 7 || got.Newest != 9 {
		t.Errorf("%+v, %v", got, err)
	}
}
