package locking

import (
	"fmt"
	"strings"
)

// A Level is one of SQLite's five lock levels, in ascending order.
// Its text form is upper case, as in SQLite's own documentation.
//
// https://sqlite.org/lockingv3.html#locking
type Level uint8

const (
	// None: the database is neither read nor written.
	None Level = iota
	// Shared: the database may be read. Any number of processes hold it at once.
	Shared
	// Reserved: its holder means to write, and others may still read. One holder at most.
	Reserved
	// Pending: its holder waits for the readers to leave; no new Shared is granted.
	// Nobody asks for it: a climb to Exclusive that finds readers leaves it behind.
	Pending
	// Exclusive: the database may be written. Nobody else holds any level.
	Exclusive
)

var levelNames = [...]string{"NONE", "SHARED", "RESERVED", "PENDING", "EXCLUSIVE"}

// String returns the name in upper case, such as "SHARED".
func (l Level) String() string {
	if int(l) < len(levelNames) {
		return levelNames[l]
	}
	return fmt.Sprintf("Level(%d)", uint8(l))
}

// Writing reports whether l is a level that a writer holds: Reserved or above.
func (l Level) Writing() bool { return l >= Reserved }

// MarshalText encodes the level by its name.
// It fails for a value that is not one of the five levels.
func (l Level) MarshalText() ([]byte, error) {
	if int(l) >= len(levelNames) {
		return nil, fmt.Errorf("locking: %v is not a level", l)
	}
	return []byte(levelNames[l]), nil
}

// UnmarshalText decodes a name written by [Level.MarshalText].
func (l *Level) UnmarshalText(text []byte) error {
	for i, name := range levelNames {
		if name == string(text) {
			*l = Level(i)
			return nil
		}
	}
	return fmt.Errorf("locking: %q is not a level (want one of %s)", text, strings.Join(levelNames[:], ", "))
}
