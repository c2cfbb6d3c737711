package wasmplugins

import (
	"net/url"
	"testing"

	"github.com/holdfastdb/holdfast/locking"
	"github.com/holdfastdb/holdfast/locking/locktest"
)

// A plugin that can watch is a watcher, and keeps the promise of one; one that cannot is none.
func TestWatch(t *testing.T) {
	c := newCellServer(t)
	p, err := Load(t.Context(), Options{Path: built(t, "testdata/watching"), Allow: []string{c.URL}, Params: url.Values{"url": {c.URL}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	subject := locktest.Subject{
		Open: func() (locking.Register, error) {
			r, err := p.Register(t.Context(), "/data/app.db")
			if err != nil {
				return nil, err
			}
			t.Cleanup(func() { r.Close() })
			return r.Watched(), nil
		},
		LoseReply: func() { t.Error("no reply is to be lost here") },
		Wipe:      c.wipe,
	}
	if r, err := subject.Open(); err != nil {
		t.Fatal(err)
	} else if _, ok := r.(locking.Watcher); !ok {
		t.Fatalf("it is a %T and no Watcher", r)
	}
	for _, check := range locktest.Checks {
		if check.Name == "Watch" {
			if err := check.Run(t.Context(), subject); err != nil {
				t.Error(err)
			}
		}
	}
	r, err := opened(t, plain())
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := r.Watched().(locking.Watcher); ok {
		t.Error("a plugin that cannot watch is a Watcher")
	}
}
