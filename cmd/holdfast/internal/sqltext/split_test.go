package sqltext

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSkipBlank(t *testing.T) {
	for _, test := range []struct{ name, sql, want string }{
		{"nothing", "", ""},
		{"statement", "SELECT 1", "SELECT 1"},
		{"space and semicolons", " ;\n; SELECT 1; ", "SELECT 1; "},
		{"comments", "-- a; b\n/* c */ ; -- d\nSELECT 1", "SELECT 1"},
		{"comments alone", "-- a\n/* b */", ""},
		{"open comments", "/* a", ""},
		{"minus", "-1", "-1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := SkipBlank(test.sql); got != test.want {
				t.Errorf("SkipBlank(%q) = %q, want %q", test.sql, got, test.want)
			}
		})
	}
}

func TestFirstWords(t *testing.T) {
	for _, test := range []struct {
		name, sql string
		want      []string
	}{
		{"nothing", "  ", nil},
		{"two", "create /* x */ Temp table t(a)", []string{"CREATE", "TEMP"}},
		{"cut by a sign", "pragma\nfoo.bar", []string{"PRAGMA", "FOO"}},
		{"sign first", "(select 1)", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, FirstWords(test.sql, 2)); diff != "" {
				t.Errorf("FirstWords(%q) (-want +got):\n%s", test.sql, diff)
			}
		})
	}
}
