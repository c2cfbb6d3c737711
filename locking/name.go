package locking

import (
	"fmt"
	"regexp"
	"strconv"
)

// FileName returns the base name of a copy of a database: its plain name, the
// epoch in which the copy was begun, and a nonce. No two copies share a name, so
// what a stale process does late to one of them cannot reach another.
func FileName(database string, epoch Epoch, nonce string) string {
	return fmt.Sprintf("%s@%d-%s", database, epoch, nonce)
}

var fileName = regexp.MustCompile(`^(.+)@([1-9][0-9]{0,18})-([0-9a-f]{8})$`)

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
