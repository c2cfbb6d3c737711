//go:build unix

package wasmplugins

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A pipe in a granted directory does not hang who opens it.
func TestPipeIsNotOpened(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if got := probe(t, Options{Dirs: []Dir{{dir, false}}, Limit: 10 * time.Second}, "read", pipe); !strings.HasPrefix(got, "error: ") || time.Since(began) > 9*time.Second {
		t.Errorf("it got %q after %v", got, time.Since(began))
	}
}
