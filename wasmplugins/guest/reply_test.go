package guest

import (
	"errors"
	"fmt"
	"testing"
)

func TestReply(t *testing.T) {
	for _, row := range []struct {
		payload string
		err     error
		want    string
	}{
		{"payload", nil, "\x00\x00\x00\x00payload"},
		{"", nil, "\x00\x00\x00\x00"},
		{"not sent", ErrConflict, "\x01\x00\x00\x00conflict"},
		{"", ErrDoubt.Say("perhaps"), "\x02\x00\x00\x00perhaps"},
		{"", fmt.Errorf("%w: more", ErrForeign), "\x04\x00\x00\x00foreign: more"},
		{"", errors.New("anything"), "\x17\x00\x00\x00anything"},
	} {
		if got := encodeReply(nil, []byte(row.payload), row.err); string(got) != row.want {
			t.Errorf("%q, %v: %q, want %q", row.payload, row.err, got, row.want)
		}
	}
}

func TestErrorKinds(t *testing.T) {
	err := ErrDenied.Say("no")
	if !errors.Is(err, ErrDenied) || errors.Is(err, ErrDoubt) || err.Error() != "no" {
		t.Errorf("%v", err)
	}
}

func TestAboutPairs(t *testing.T) {
	a := About{Name: "n", About: "line", Parameters: []string{"p: x", "q: y"}, Wants: []string{"allow: z"}}
	const want = "name\x00n\x00about\x00line\x00parameter\x00p: x\x00parameter\x00q: y\x00wants\x00allow: z\x00"
	if got := string(a.pairs()); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestNonce(t *testing.T) {
	if a, b := Nonce(), Nonce(); len(a) != NonceSize || a == b {
		t.Errorf("nonces %q and %q", a, b)
	}
}
