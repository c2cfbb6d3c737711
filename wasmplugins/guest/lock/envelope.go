package lock

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/holdfastdb/holdfast/wasmplugins/guest"
)

// magic is what the first line of an envelope begins with.
const magic = "holdfast-register 1 "

// Seal puts a value behind a line that says which write it is of, for storage that has but
// one place for both:
//
//	holdfast-register 1 LENGTH TRAIL
//	the value
func Seal(t Trail, value []byte) []byte {
	line := magic + strconv.Itoa(len(value)) + " " + t.String() + "\n"
	return append([]byte(line), value...)
}

// Unseal is the inverse of [Seal]. It returns a [guest.ErrForeign] if there is no such line,
// and a [guest.ErrDamaged] if it is wrong or the value has another length.
func Unseal(envelope []byte) (Trail, []byte, error) {
	line, value, ok := bytes.Cut(envelope, []byte("\n"))
	rest, is := strings.CutPrefix(string(line), magic)
	if !is {
		return nil, nil, guest.ErrForeign.Say("it is something else: name another one, or move it away")
	}
	size, trail, _ := strings.Cut(rest, " ")
	n, err := strconv.Atoi(size)
	t, right := ParseTrail(trail)
	switch {
	case !ok || err != nil || !right || len(t) == 0:
		return nil, nil, guest.ErrDamaged.Say("its first line is damaged: remove it when nobody has the database open")
	case n != len(value):
		return nil, nil, guest.ErrDamaged.Say("it has " + strconv.Itoa(len(value)) + " bytes of a value of " + size + ": remove it when nobody has the database open")
	}
	return t, value, nil
}
