//go:build !race

package main

import (
	"database/sql"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/ncruces/go-sqlite3/driver"
)

// The shell writes rows as they come, whatever it is asked to print: a result that is
// larger than the bound passes through it. HOLDFAST_REAL=1 prints 1.2 GB. The race
// detector's own memory would be measured otherwise.
func TestShellPrintsInBoundedMemory(t *testing.T) {
	const bound = 64 << 20 // bytes beyond what the program takes to say 1
	rows := 15_000
	if os.Getenv("HOLDFAST_REAL") == "1" {
		rows = 290_000
	}
	path := filepath.Join(t.TempDir(), "app.db")
	fillPages(t, path, rows)
	idle, _ := shellMemory(t, path, "list", "SELECT 1")
	for _, test := range []struct {
		mode, sql string
		least     int64 // bytes of output
	}{
		{"list", "SELECT id, hex(body) FROM t", int64(rows) * 8000},
		{"json", "SELECT id, hex(body) FROM t", int64(rows) * 8000},
		{"box", "SELECT id, hex(body) FROM t LIMIT 10000", 10_000 * 8000}, // which is slow
		{"list", ".dump", int64(rows) * 8000},
	} {
		t.Run(test.mode+" "+test.sql, func(t *testing.T) {
			memory, written := shellMemory(t, path, test.mode, test.sql)
			t.Logf("%d KiB beyond the %d KiB it always takes", (memory-idle)>>10, idle>>10)
			if written < test.least {
				t.Errorf("%d bytes were printed, want at least %d", written, test.least)
			}
			if memory > idle+bound {
				t.Errorf("the program took %d KiB to print %d KiB, more than %d KiB beyond the %d KiB it always takes",
					memory>>10, written>>10, bound>>10, idle>>10)
			}
		})
	}
}

// fillPages makes a database in which each row fills a page.
func fillPages(t *testing.T, path string, rows int) {
	t.Helper()
	db, err := sql.Open("sqlite3", "file:"+path+"?_pragma=journal_mode(off)&_pragma=synchronous(off)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB)`); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i+1 FROM n WHERE i < ?)
		INSERT INTO t SELECT i, zeroblob(4000) FROM n`, rows); err != nil {
		t.Fatal(err)
	}
}

// shellMemory returns how many bytes of memory the program had at most while it ran
// one command, and how many it wrote.
func shellMemory(t *testing.T, path, mode, command string) (memory, written int64) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	report := filepath.Join(t.TempDir(), "status")
	cmd := exec.CommandContext(t.Context(), program, "shell", path, "--mode", mode, command)
	// What is measured is to be what the program keeps, and not how late its garbage is seen to.
	cmd.Env = append(os.Environ(), asMeasured+"="+report, "GOGC=25")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	written, err = io.Copy(io.Discard, out)
	if waitErr := cmd.Wait(); err != nil || waitErr != nil {
		t.Fatalf("%s: %v, %v", command, err, waitErr)
	}
	status, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	_, peak, _ := strings.Cut(string(status), "VmHWM:")
	if _, err := fmt.Sscanf(peak, "%d kB", &memory); err != nil || memory == 0 {
		t.Fatalf("no peak of memory in %q: %v", status, err)
	}
	return memory << 10, written
}
