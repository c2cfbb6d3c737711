package lock

import (
	"errors"
	"strings"
	"testing"

	"github.com/holdfastdb/holdfast/wasmplugins/guest"
)

// chain is the trail after n writes.
func chain(t Trail, n int) Trail {
	for range n {
		t = t.Next()
	}
	return t
}

func TestJudge(t *testing.T) {
	base := chain(nil, 3)
	mine, other := base.Next(), base.Next()
	first := Trail(nil).Next()
	for _, row := range []struct {
		name          string
		mine, present Trail
		want          error
	}{
		{"it is there", mine, mine, nil},
		{"it was there", mine, chain(mine, 2), guest.ErrDoubt},
		{"it was there, long ago", mine, chain(mine, kept-1), guest.ErrDoubt},
		{"nothing happened", mine, base, guest.ErrDoubt},
		{"another one was quicker", mine, other, guest.ErrConflict},
		{"others were quicker", mine, chain(other, 5), guest.ErrConflict},
		{"the cell is gone", mine, nil, guest.ErrConflict},
		{"created", first, first, nil},
		{"another one created it", first, chain(nil, 1), guest.ErrConflict},
		{"created, and replaced", first, chain(first, 1), guest.ErrDoubt},
		{"not created", first, nil, guest.ErrDoubt},
	} {
		if err := row.mine.Judge(row.present); !errors.Is(err, row.want) || (err == nil) != (row.want == nil) {
			t.Errorf("%s: %v, want %v", row.name, err, row.want)
		}
	}
}

func TestParseTrail(t *testing.T) {
	for n := range kept + 3 {
		trail := chain(nil, n)
		got, ok := ParseTrail(trail.String())
		if !ok || got.String() != trail.String() || len(got) != min(n, kept) {
			t.Errorf("%q came back as %q, %v", trail, got, ok)
		}
	}
	nonce := guest.Nonce()
	for _, bad := range []string{".", nonce + ".", nonce[1:], nonce + "A", strings.ToLower(nonce), "AAAAAAAAAAAAAAA/", strings.Repeat(nonce+".", kept) + nonce} {
		if got, ok := ParseTrail(bad); ok {
			t.Errorf("%q is the trail %q", bad, got)
		}
	}
}

func TestEnvelope(t *testing.T) {
	trail := chain(nil, 2)
	for _, value := range []string{"", "value", "two\nlines\n", "holdfast-register 1 "} {
		got, back, err := Unseal(Seal(trail, []byte(value)))
		if got.String() != trail.String() || string(back) != value || err != nil {
			t.Errorf("%q came back as %q, %q, %v", value, got, back, err)
		}
	}
	whole := Seal(trail, []byte("value"))
	for n := range whole {
		want := error(guest.ErrDamaged)
		if n < len(magic) {
			want = guest.ErrForeign
		}
		if got, back, err := Unseal(whole[:n]); !errors.Is(err, want) {
			t.Errorf("%q is %q, %q, %v; want %v", whole[:n], got, back, err, want)
		}
	}
	for _, bad := range []string{magic + "1 \nx", magic + "-1 " + trail.String() + "\nx", magic + "1 x\nx", magic + "2 " + trail.String() + "\nx"} {
		if _, _, err := Unseal([]byte(bad)); !errors.Is(err, guest.ErrDamaged) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// A shelf is a register that takes every swap.
type shelf struct{ value, version string }

func (s *shelf) Read() ([]byte, string, error) { return []byte(s.value), s.version, nil }

func (s *shelf) Swap(old string, value []byte) (string, error) {
	s.value, s.version = string(value), old+"+"
	return s.version, nil
}

func TestExports(t *testing.T) {
	s := &shelf{"value", "v1"}
	register = s
	if got, err := read(); string(got) != "\x02\x00\x00\x00v1value" || err != nil {
		t.Errorf("read: %q, %v", got, err)
	}
	if got, err := swap([]byte("v1other"), 2); string(got) != "v1+" || s.value != "other" || err != nil {
		t.Errorf("swap: %q, %q, %v", got, s.value, err)
	}
}
