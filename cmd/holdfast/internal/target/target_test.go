package target

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	for _, test := range []struct {
		name  string
		db    string
		flags Flags
		want  Target
	}{
		{"path", "app.db", Flags{}, Target{DSN: "file:app.db", Path: "app.db", Name: "app.db"}},
		{"absolute path", "/data/app.db", Flags{}, Target{DSN: "file:/data/app.db", Path: "/data/app.db", Name: "app.db"}},
		{"two slashes", "//data/app.db", Flags{}, Target{DSN: "file:/%2Fdata/app.db", Path: "//data/app.db", Name: "app.db"}},
		{"odd characters", "a b/50%?#.db", Flags{}, Target{DSN: "file:a%20b/50%25%3F%23.db", Path: "a b/50%?#.db", Name: "50%?#.db"}},
		{"flags", "app.db", Flags{Lock: "leasefile:///x y", TTL: "2s"}, Target{DSN: "file:app.db?lock=leasefile:///x%20y&ttl=2s", Path: "app.db", Name: "app.db", Lock: "leasefile:///x y"}},
		{"source name", "file:/d/app.db?mode=ro", Flags{}, Target{DSN: "file:/d/app.db?mode=ro", Path: "/d/app.db", Name: "app.db"}},
		{"source name and flags", "file:app.db?mode=ro", Flags{TTL: "2s"}, Target{DSN: "file:app.db?mode=ro&ttl=2s", Path: "app.db", Name: "app.db"}},
		{"said twice alike", "file:app.db?lock=flock", Flags{Lock: "flock"}, Target{DSN: "file:app.db?lock=flock", Path: "app.db", Name: "app.db", Lock: "flock"}},
		{"escaped source name", "file:a%20b.db", Flags{}, Target{DSN: "file:a%20b.db", Path: "a b.db", Name: "a b.db"}},
		{"memory", ":memory:", Flags{}, Target{DSN: "file::memory:", Name: "memory"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := Parse(test.db, test.flags)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("Parse(%q, %+v) (-want +got):\n%s", test.db, test.flags, diff)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, test := range []struct {
		name  string
		db    string
		flags Flags
		want  string
	}{
		{"empty", "", Flags{}, "empty"},
		{"two locks", "file:app.db?lock=flock", Flags{Lock: "leasefile"}, "lock is given twice"},
		{"two ttls", "file:app.db?mode=ro&ttl=1s", Flags{TTL: "2s"}, "ttl is given twice"},
		{"parameters of a path", "app.db?lock=flock", Flags{}, "write file:app.db?lock=flock"},
		{"unknown parameter", "file:app.db?lok=flock", Flags{}, "did you mean lock?"},
		{"two modes", "file:app.db?mode=rwc", Flags{Mode: "ro"}, "mode is given twice"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := Parse(test.db, test.flags); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Parse(%q, %+v) = %v, want an error with %q", test.db, test.flags, err, test.want)
			}
		})
	}
}
