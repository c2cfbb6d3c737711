package guests

import (
	"os"
	"testing"
	"time"

	"github.com/holdfastdb/holdfast/wasmplugins"
)

// A plugin is small: an empty program in Go has 1.8 MB, and package fmt or encoding/json
// would be felt by everybody who opens a database.
func TestSize(t *testing.T) {
	const most = 2_250_000
	for _, name := range []string{"etcd", "consul", "webdav"} {
		s, err := os.Stat(built(t, name))
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d bytes", name, s.Size())
		if s.Size() > most {
			t.Errorf("%s has %d bytes, of at most %d", name, s.Size(), most)
		}
	}
}

// BenchmarkOpen opens a plugin whose machine code is in the cache.
func BenchmarkOpen(b *testing.B) {
	for name, param := range map[string]string{"etcd": "endpoint", "consul": "endpoint", "webdav": "url"} {
		u := pluginURL(b, name, param, "http://127.0.0.1:1/x")
		open := func() {
			r, err := wasmplugins.Open(b.Context(), u, database)
			if err != nil {
				b.Fatal(err)
			}
			if err := r.Close(); err != nil {
				b.Fatal(err)
			}
		}
		b.Run(name, func(b *testing.B) {
			begun := time.Now()
			open()
			first := time.Since(begun)
			for b.Loop() {
				open()
			}
			b.ReportMetric(float64(first.Milliseconds()), "first-ms")
		})
	}
}
