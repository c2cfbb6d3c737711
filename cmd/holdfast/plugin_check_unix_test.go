//go:build unix

package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestCheckWithoutHTTP: what is done on the wire is said not to have been done for a plugin that
// has none.
func TestCheckWithoutHTTP(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	plugin := filepath.Join("..", "..", "wasmplugins", "guests", "dir", "dir.wasm")
	got := runCommand(t, "", "plugin", "check", plugin, "path="+filepath.Join(dir, "check-{}"), "--dir", dir,
		"--only", "Fresh", "--only", "Doubt", "--only", "Unreachable")
	for name, remark := range map[string]string{"Fresh": "passed", "Doubt": "own reply was lost", "Unreachable": "sends no HTTP requests"} {
		if row := got.row(name); got.code != done || !strings.Contains(row, "passed") || !strings.Contains(row, remark) {
			t.Errorf("want %s to pass, with %q: %+v", name, remark, got)
		}
	}
}
