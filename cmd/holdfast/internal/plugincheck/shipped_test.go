package plugincheck

import (
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfastdb/holdfast/internal/testservers"
	"github.com/holdfastdb/holdfast/wasmplugins"
)

func TestMain(m *testing.M) { testservers.Main(m) }

// TestShipped: the plugins that come with Holdfast keep all promises at their servers, and
// that in doubt is tried with the request by which a swap takes effect.
func TestShipped(t *testing.T) {
	testservers.Need(t)
	t.Setenv("TOKEN", testservers.ConsulToken)
	for name, test := range map[string]struct {
		server  testservers.Kind
		params  func(server string) url.Values
		secrets map[string]string
	}{
		"etcd": {testservers.Etcd, func(s string) url.Values {
			return url.Values{"endpoint": {s}, "key": {"check-" + Fresh}}
		}, nil},
		"consul": {testservers.Consul, func(s string) url.Values {
			return url.Values{"endpoint": {s}, "key": {"check-" + Fresh}}
		}, map[string]string{"token": "TOKEN"}},
		"webdav": {testservers.Apache("event"), func(s string) url.Values {
			return url.Values{"url": {s + "/locks/check-" + Fresh}}
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			server := testservers.Shared(t, test.server).URL()
			file := filepath.Join("..", "..", "..", "..", "wasmplugins", "guests", name, name+".wasm")
			results, err := Run(t.Context(), Options{Database: "/data/app.db", Plugin: wasmplugins.Options{
				Path: file, Allow: []string{server}, Params: test.params(server), Secrets: test.secrets,
			}})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range results {
				t.Logf("%-20s %s %s", r.Check, r.Outcome, r.Remark)
				doubt := strings.HasPrefix(r.Check, "Doubt")
				if r.Outcome == Failed || doubt && r.Remark != "" {
					t.Errorf("%s: %s", r.Check, r.Remark)
				}
			}
		})
	}
}
