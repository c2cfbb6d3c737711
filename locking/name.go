package locking

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// FileName returns the base name of a copy of a database: its plain name, the
// epoch in which the copy was begun, and a nonce. No two copies share a name, so
// what a stale process does late to one of them cannot reach another.
func FileName(database string, epoch Epoch, nonce string) string {
	return fmt.Sprintf("%s@%d-%s", database, epoch, nonce)
}

var fileName = regexp.MustCompile(`(?s)^(.+)@([1-9][0-9]{0,18})-([0-9a-f]{8})$`)

// ParseFileName takes apart what [FileName] made. A name of any other form is not
// the copy of a database, and ok is false.
func ParseFileName(name string) (database string, epoch Epoch, ok bool) {
	parts := fileName.FindStringSubmatch(name)
	if parts == nil {
		return "", 0, false
	}
	n, err := strconv.ParseUint(parts[2], 10, 64)
	return parts[1], Epoch(n), err == nil
}

// maxName is the length in bytes of a plain name up to which the journal of each of
// its copies has a name that a file may have.
var maxName = 255 - len(FileName("", math.MaxInt64, "01234567")+"-journal")

// CheckName returns nil if a database of that base name can be leased: the record
// keeps the name as text, all systems that share the directory must take it for one
// file, and the longest name that is derived from it must be possible. The error says
// what to do.
func CheckName(base string) error {
	if err := checkName(base); err != nil {
		return fmt.Errorf("locking: a database named %q cannot be leased: %w: rename the file", base, err)
	}
	return nil
}

func checkName(base string) error {
	switch {
	case base == "", base == ".", base == "..", strings.Contains(base, "/"):
		return errors.New("that is not the name of a file")
	case !utf8.ValidString(base):
		return errors.New("the name is not UTF-8")
	case strings.ContainsFunc(base, unicode.IsControl):
		return errors.New("the name has a control character")
	case strings.Contains(base, `\`):
		return errors.New("the name has a backslash, which is a separator on other systems")
	case len(base) > maxName:
		return fmt.Errorf("the name has %d bytes and may have %d, since a copy gets a longer one", len(base), maxName)
	}
	return nil
}
