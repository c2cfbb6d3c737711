//go:build unix

package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
	out := read(screen, func(p []byte) {
		for range bytes.Count(p, []byte("\x1b[6n")) { // where is the cursor?
			io.WriteString(screen, "\x1b[5;1R")
		}
	})
	// The line is drawn anew with every key. The line editor asks the terminal where
	// its cursor is, and loses keys that arrive together with the answer: so they are
	// pressed again if nothing comes of them.
	typing := func(text, pattern string) {
		t.Helper()
		for range 60 {
			io.WriteString(screen, text)
			if out.found(pattern, limit/60) {
				return
			}
			io.WriteString(screen, "\x15") // clears the line
		}
		t.Fatalf("no %q in %q", pattern, escapes.ReplaceAllString(out.String(), ""))
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
	interrupted := false
	for range 10 {
		typing("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT count(*) FROM n;", `FROM n;`)
		io.WriteString(screen, "\r")       // which may be lost too
		time.Sleep(300 * time.Millisecond) // nothing shows that it runs
		io.WriteString(screen, "\x03")
		if interrupted = out.found(`holdfast: interrupted`, limit/10); interrupted {
			break
		}
	}
	if !interrupted {
		t.Fatal("it is not interrupted")
	}
	out.await(t, `app\.db RESERVED@1> \s*$`)
	typing("\x1b[A", `count\(\*\) FROM n;\s*$`) // from the history
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
