package workload

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNumbersAsText(t *testing.T) {
	for _, tt := range []struct {
		text string
		want Numbers
	}{
		{"", nil},
		{"1", Numbers{{1, 1}}},
		{"1-57,59", Numbers{{1, 57}, {59, 59}}},
		{"3,3", Numbers{{3, 3}, {3, 3}}},
	} {
		var got Numbers
		if err := got.UnmarshalText([]byte(tt.text)); err != nil {
			t.Errorf("%q: %v", tt.text, err)
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%q (-want +got):\n%s", tt.text, d)
		}
		if back, _ := got.MarshalText(); string(back) != tt.text {
			t.Errorf("%q became %q", tt.text, back)
		}
	}
	for _, bad := range []string{"x", "1-", "2-1", "1,,2", ","} {
		if err := new(Numbers).UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q is taken for numbers", bad)
		}
	}
}

// Ranges behave as the sets that they stand for.
func TestRangesAreSets(t *testing.T) {
	const most = 12
	for range 5000 {
		a, b := rand.Uint32N(1<<most), rand.Uint32N(1<<most)
		x, y := numbersOf(a), numbersOf(b)
		if d := cmp.Diff(numbersOf(a&^b), x.minus(y)); d != "" {
			t.Fatalf("%v without %v (-want +got):\n%s", x, y, d)
		}
		for n := range most {
			if want := a&(1<<n) != 0; x.Has(n) != want {
				t.Fatalf("%v has %d: %v", x, n, !want)
			}
		}
	}
}

func numbersOf(bits uint32) (s Numbers) {
	for n := range 32 {
		if bits&(1<<n) != 0 {
			s.Add(n)
		}
	}
	return s
}
