// Package trail tells what became of a conditional write that was refused because its
// condition did not hold.
//
// The reply may be the answer to the second of two: something between a client and a
// store, such as a proxy or a balancer, may send a write again whose answer it lost. Then
// the first took effect, and its own success is what the second was refused for. So each
// value carries, beside its own nonce, those of the writes before it, and whoever was
// refused reads what is there.
package trail

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"

	"github.com/holdfastdb/holdfast/locking"
)

// Kept is how many writes a trail remembers. One that took effect is taken for a conflict
// only if as many followed it before its own answer came.
const Kept = 32

// nonceSize is how much of a random text is enough never to see it twice.
const nonceSize = 16

// A Trail holds the nonces of the latest writes of a cell, the newest first. That of a
// cell that was never written is empty.
type Trail []string

// Next is the trail of a write that replaces what has this one.
func (t Trail) Next() Trail {
	next := append(Trail{rand.Text()[:nonceSize]}, t...)
	return next[:min(len(next), Kept)]
}

// Judge tells what became of a write of mine that was refused, after which present was
// read; moved says whether the store's own version is another one than what mine was to
// replace, so that mine can take effect no more. It returns nil if mine is there;
// [locking.ErrConflict] if the write did not take effect and never will; and
// [locking.ErrDoubt] if it took effect and was replaced, or may be on its way.
func (mine Trail) Judge(present Trail, moved bool) error {
	switch at := slices.Index(present, mine[0]); {
	case at == 0:
		return nil
	case at > 0 || !moved:
		return locking.ErrDoubt
	}
	return locking.ErrConflict
}

// Settle is what a swap of mine returns that was refused for cause, after a look: as
// [Trail.Judge] says, and [locking.ErrDoubt] if the look failed too.
func (mine Trail) Settle(cause error, present Trail, moved bool, lookErr error) error {
	if lookErr != nil {
		return fmt.Errorf("%w: %w, and then %w", locking.ErrDoubt, cause, lookErr)
	}
	verdict := mine.Judge(present, moved)
	if verdict == locking.ErrDoubt {
		return fmt.Errorf("%w: %w", verdict, cause)
	}
	return verdict
}

// String returns what [Parse] reads.
func (t Trail) String() string { return strings.Join(t, ".") }

// Parse reads a trail. Anything that is not exactly one is not ok.
func Parse(text string) (t Trail, ok bool) {
	if text == "" {
		return nil, true
	}
	t = strings.Split(text, ".")
	for _, nonce := range t {
		if len(nonce) != nonceSize || strings.Trim(nonce, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" {
			return nil, false
		}
	}
	return t, len(t) <= Kept
}
