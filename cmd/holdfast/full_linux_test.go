package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// Output that does not fit on the disk is told; a reader that went away is not.
func TestFullDiskUnderTheOutputIsTold(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	var stderr bytes.Buffer
	code := run(t.Context(), []string{"shell", t.TempDir() + "/a.db", "SELECT 1"}, strings.NewReader(""), full, &stderr)
	if code != failed || !strings.Contains(stderr.String(), "no space left on device") {
		t.Errorf("exit %d, stderr %q: want %d and why", code, stderr.String(), failed)
	}
}
