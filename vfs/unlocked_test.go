package vfs

import (
	"errors"
	"path/filepath"
	"testing"
)

// Nothing reaches the bytes of a database for which no level is held, whoever asks.
func TestWriteWithoutALevel(t *testing.T) {
	conn := connect(t, register(t, nil, newArbiter().process("p").open), filepath.Join(scratch(t), "app.db"), "")
	run(t, conn, "CREATE TABLE t(x)")
	f := FileOf(conn, "main")
	if _, err := f.WriteAt([]byte("something else"), 0); err == nil || !errors.Is(f.Cause(), errNoLevel) {
		t.Errorf("error is %v, cause is %v", err, f.Cause())
	}
	want(t, conn, "PRAGMA integrity_check", "ok")
}
