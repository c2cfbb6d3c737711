package wasmplugins

import (
	"net/url"
	"testing"
)

// probe has a plugin try something with what it was granted, and returns what came of it.
func probe(t *testing.T, o Options, try string, args ...string) string {
	t.Helper()
	o.Path = built(t, "testdata/prober")
	o.Params = url.Values{"try": {try}, "arg": args}
	p, err := Load(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	r, err := p.Register(t.Context(), "/data/app.db")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	value, _, err := r.Read(t.Context())
	if err != nil {
		return "broken: " + err.Error()
	}
	return string(value)
}
