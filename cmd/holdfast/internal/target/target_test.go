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
		{"path", "app.db", Flags{}, Target{"file:app.db", "app.db"}},
		{"absolute path", "/data/app.db", Flags{}, Target{"file:/data/app.db", "app.db"}},
		{"two slashes", "//data/app.db", Flags{}, Target{"file:/%2Fdata/app.db", "app.db"}},
		{"odd characters", "a b/50%?#.db", Flags{}, Target{"file:a%20b/50%25%3F%23.db", "50%?#.db"}},
		{"flags", "app.db", Flags{Lock: "leasefile:///x y", TTL: "2s"}, Target{"file:app.db?lock=leasefile:///x%20y&ttl=2s", "app.db"}},
		{"source name", "file:/d/app.db?mode=ro", Flags{}, Target{"file:/d/app.db?mode=ro", "app.db"}},
		{"source name and flags", "file:app.db?mode=ro", Flags{TTL: "2s"}, Target{"file:app.db?mode=ro&ttl=2s", "app.db"}},
		{"said twice alike", "file:app.db?lock=flock", Flags{Lock: "flock"}, Target{"file:app.db?lock=flock", "app.db"}},
		{"escaped source name", "file:a%20b.db", Flags{}, Target{"file:a%20b.db", "a b.db"}},
		{"memory", ":memory:", Flags{}, Target{"file::memory:", "memory"}},
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
		{"two modes", "file:app.db?mode=rwc", Flags{Mode: "ro"}, "mode is given twice"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := Parse(test.db, test.flags); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Parse(%q, %+v) = %v, want an error with %q", test.db, test.flags, err, test.want)
			}
		})
	}
}
