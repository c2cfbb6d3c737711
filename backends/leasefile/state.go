package leasefile

import (
	"crypto/rand"
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/holdfastdb/holdfast/locking"
)

const (
	tokenSuffix = ".token"
	valueSuffix = ".json"

	nonceSize = 16 // characters of 5 bits
	alphabet  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
)

// A state names one version of a register. The zero state is [locking.Unused].
type state struct {
	number uint64 // 1 for the first value; grows by one with every swap
	nonce  string // tells the swaps from one version, and the lives of a register, apart
}

// newNonce returns a nonce that was never used.
func newNonce() string { return rand.Text()[:nonceSize] }

// next returns a state that may follow s.
func (s state) next() state { return state{s.number + 1, newNonce()} }

// String returns the version, from which the names of the files derive. Leading
// zeros sort the files in a listing that a person reads.
func (s state) String() string {
	if s == (state{}) {
		return string(locking.Unused)
	}
	return fmt.Sprintf("%011d.%s", s.number, s.nonce)
}

func (s state) version() locking.Version { return locking.Version(s.String()) }
func (s state) token() string            { return s.String() + tokenSuffix }
func (s state) value() string            { return s.String() + valueSuffix }

// parseState is the inverse of [state.String], but for the zero state. It takes
// one spelling only of each.
func parseState(text string) (state, bool) {
	digits, nonce, _ := strings.Cut(text, ".")
	number, err := strconv.ParseUint(digits, 10, 64)
	// The largest number has no successor.
	if err != nil || number == 0 || number == math.MaxUint64 || !isNonce(nonce) {
		return state{}, false
	}
	s := state{number, nonce}
	if s.String() != text {
		return state{}, false
	}
	return s, true
}

func isNonce(text string) bool {
	return len(text) == nonceSize && strings.Trim(text, alphabet) == ""
}

// A listing is what one look into the directory of a register showed.
type listing struct {
	tokens []state
	values []state
	others []string // files that are not the register's
	fresh  bool     // all of it was there during the look, and is not what the kernel remembers
}

func parseListing(names []string) (l listing) {
	for _, name := range names {
		ext := filepath.Ext(name)
		s, ok := parseState(strings.TrimSuffix(name, ext))
		switch {
		case ok && ext == tokenSuffix:
			l.tokens = append(l.tokens, s)
		case ok && ext == valueSuffix:
			l.values = append(l.values, s)
		default:
			l.others = append(l.others, name)
		}
	}
	return l
}
