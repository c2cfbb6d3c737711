package lock

import (
	"slices"
	"strings"

	"github.com/holdfastdb/holdfast/wasmplugins/guest"
)

// A Trail has the nonces of the latest writes of a cell, the newest first; that of a cell
// that was never written is empty. It makes each state another one than all before it, also
// after the cell was deleted or a server restored, and it tells what became of a write that
// was refused: what it was refused for may be its own success, if a proxy sent it twice.
type Trail []string

// kept is how many writes a trail remembers.
const kept = 16

// Next is the trail of a write that replaces what has this one.
func (t Trail) Next() Trail {
	next := append(Trail{guest.Nonce()}, t...)
	return next[:min(len(next), kept)]
}

// Judge tells what became of a write of mine that a server refused, after which present was
// read. It returns nil if mine is there, [guest.ErrConflict] if it did not take effect and
// never will, and [guest.ErrDoubt] if it took effect and was replaced, or what it was to
// replace is still there.
func (mine Trail) Judge(present Trail) error {
	before := ""
	if len(mine) > 1 {
		before = mine[1]
	}
	switch at := slices.Index(present, mine[0]); {
	case at == 0:
		return nil
	case at > 0, before == present.newest():
		return guest.ErrDoubt
	}
	return guest.ErrConflict
}

func (t Trail) newest() string {
	if len(t) == 0 {
		return ""
	}
	return t[0]
}

// String returns what [ParseTrail] reads.
func (t Trail) String() string { return strings.Join(t, ".") }

// ParseTrail reads a trail. Anything that is not exactly one is not ok.
func ParseTrail(text string) (t Trail, ok bool) {
	if text == "" {
		return nil, true
	}
	t = strings.Split(text, ".")
	for _, nonce := range t {
		if len(nonce) != guest.NonceSize || strings.Trim(nonce, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" {
			return nil, false
		}
	}
	return t, len(t) <= kept
}
