package flock

import (
	"os"
	"testing"
)

// asReader runs f while the database may be read and not written.
func asReader(t *testing.T, database string, f func()) {
	t.Helper()
	if err := os.Chmod(database, 0o444); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(database, 0o644)
	f()
}
