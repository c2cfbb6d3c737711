//go:build unix

package leasefile

import (
	"net/url"
	"strings"
	"testing"

	"github.com/holdfastdb/holdfast/locking"
)

func TestOpen(t *testing.T) {
	for _, row := range []struct {
		url  string
		want string // path of the register, or "" for an error
		says string
	}{
		{url: "leasefile:", want: "/data/app.db.lease"},
		{url: "leasefile://", want: "/data/app.db.lease"},
		{url: "leasefile:///other/dir", want: "/other/dir/app.db.lease"},
		{url: "leasefile:///other/dir/", want: "/other/dir/app.db.lease"},
		{url: "leasefile:/other/dir", want: "/other/dir/app.db.lease"},
		{url: "leasefile:///other/dir/some.lease", want: "/other/dir/some.lease"},
		{url: "leasefile:///with%20space%3F", want: "/with space?/app.db.lease"},
		{url: "leasefile:///", want: "/app.db.lease"},
		{url: "leasefile:other/dir", says: "absolute path"},
		{url: "leasefile://other/dir", says: "three slashes"},
		{url: "leasefile:///dir?fast=1", says: `unknown parameter "fast"`},
		{url: "leasefile:?fast", says: "ttl, renew, guard, poll, idle, timeout and sticky"},
		{url: "leasefile:///dir#x", says: "absolute path"},
		{url: "leasefile://me@/dir", says: "absolute path"},
	} {
		u, err := url.Parse(row.url)
		if err != nil {
			t.Fatal(err)
		}
		r, err := Open(u, "/data/app.db")
		if row.want == "" {
			if err == nil || !strings.Contains(err.Error(), row.says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("Open(%q) = %v, want one line that says %q", row.url, err, row.says)
			}
			continue
		}
		if err != nil || r.dir != row.want {
			t.Errorf("Open(%q) = %v, %v; want %q", row.url, r, err, row.want)
			continue
		}
		// What status prints is a lock URL for the same register.
		again, err := url.Parse(r.String())
		if err != nil {
			t.Fatal(err)
		}
		if r2, err := Open(again, "/elsewhere/other.db"); err != nil || r2.dir != r.dir {
			t.Errorf("Open(%q) = %v, %v; want %q", again, r2, err, r.dir)
		}
	}
}

func TestString(t *testing.T) {
	if got := New(nil, "/data/app.db.lease/").String(); got != "leasefile:///data/app.db.lease" {
		t.Errorf("String = %q", got)
	}
}

// The blank import registers the scheme.
func TestScheme(t *testing.T) {
	backend, err := locking.FindBackend("leasefile")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := backend(t.Context(), &url.URL{Scheme: "leasefile", RawQuery: "x=y"}, "/data/app.db", locking.Options{}); err == nil {
		t.Error("no error for an unknown parameter")
	}
	locker, err := backend(t.Context(), &url.URL{Scheme: "leasefile"}, t.TempDir()+"/app.db", locking.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := locker.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
