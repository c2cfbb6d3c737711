//go:build unix

package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/creack/pty"
)

// TestTerminal uses the shell at a terminal, as a person does.
func TestTerminal(t *testing.T) {
	db := filepath.Join(t.TempDir(), "app.db")
	cmd := program(t, "shell", "--lock", "leasefile", db)
	screen, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 40, Cols: 100})
	if err != nil {
		t.Fatal(err)
	}
	defer screen.Close()
	out := read(screen)
	// The line is drawn anew with every key.
	typing := func(text, pattern string) {
		t.Helper()
		io.WriteString(screen, text)
		out.await(t, pattern)
	}
	out.await(t, `grade fenced, .*\n`)
	out.await(t, `app\.db> \s*$`)
	typing("CREATE TABLE Track(a);", `CREATE TABLE Track\(a\);\s*$`)
	typing("\r", `app\.db> \s*$`)
	typing("INSERT INTO tr\t", `INSERT INTO Track \s*$`)
	typing("VALUES(41),(42);", `VALUES\(41\),\(42\);\s*$`)
	typing("\r", `app\.db> \s*$`)
	typing("BEGIN IMMEDIATE;", `IMMEDIATE;\s*$`)
	typing("\r", `app\.db RESERVED@1> \s*$`)
	typing("SELEC oops", `SELEC oops\s*$`)
	typing("\x03", `app\.db RESERVED@1> \s*$`)
	typing("SELECT max(a)", `max\(a\)\s*$`)
	typing("\r", `\.\.\.> `)
	typing("FROM Track;", `FROM Track;\s+\.\.\.> $`)
	typing("\r", `│ max\(a\) │\s+├─+┤\s+│ 42 +│`)
	out.await(t, `app\.db RESERVED@1> \s*$`)
	// Its rows show that it runs.
	typing("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT i FROM n;", `SELECT i FROM n;\s*$`)
	typing("\r", `│ 1000 `)
	typing("\x03", `holdfast: interrupted`)
	out.await(t, `app\.db RESERVED@1> \s*$`)
	typing("\x1b[A", `SELECT i FROM n;\s*$`) // from the history
	typing("\x03", `app\.db RESERVED@1> \s*$`)
	typing("\x04", `the open transaction was rolled back`)
	if code := exitCode(t, cmd); code != done {
		t.Errorf("exit code %d, want %d", code, done)
	}
	var state string
	for _, variable := range cmd.Env {
		if dir, ok := strings.CutPrefix(variable, "XDG_STATE_HOME="); ok {
			state = dir
		}
	}
	history, err := os.ReadFile(filepath.Join(state, "holdfast", "history"))
	if err != nil || !strings.Contains(string(history), `"SELECT max(a)\nFROM Track;"`) || strings.Contains(string(history), "oops") {
		t.Errorf("history %q (%v)", history, err)
	}
}
