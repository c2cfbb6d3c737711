//go:build unix

package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"
	"github.com/ncruces/go-sqlite3"

	"github.com/holdfastdb/holdfast"
)

// elsewhere runs a command in a process of its own.
func elsewhere(t *testing.T, args ...string) outcome {
	t.Helper()
	cmd := program(t, args...)
	var out, err bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &err
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	code := exitCode(t, cmd)
	return outcome{code, out.String(), err.String()}
}

// takenOver makes a database whose holder was killed in the middle of a transaction,
// so that it goes on in a copy, and returns the name of that. It has one row.
func takenOver(t *testing.T) (file string) {
	t.Helper()
	t.Chdir(t.TempDir())
	cmd := program(t, "shell", "--lock", "leasefile", "app.db")
	in, _ := cmd.StdinPipe()
	stdout, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	io.WriteString(in, "CREATE TABLE t(a); INSERT INTO t VALUES('kept');\nBEGIN IMMEDIATE; INSERT INTO t VALUES('lost'); SELECT 'inside';\n")
	read(stdout).await(t, "inside\n")
	cmd.Process.Kill()
	cmd.Wait()
	got := runCommand(t, "", "shell", "app.db", "SELECT a FROM t", ".databases")
	found := regexp.MustCompile(`^kept\nmain: .*/app\.db r/w, in (app\.db@\d+-[0-9a-f]{8})\n$`).FindStringSubmatch(got.out)
	if got.code != done || found == nil {
		t.Fatalf("%+v", got)
	}
	if _, err := os.Stat("app.db"); err == nil {
		t.Error("the plain name is still there")
	}
	if status := runCommand(t, "", "status", "app.db"); !strings.Contains(status.out, "grade    fenced: ") ||
		!strings.Contains(status.out, "file     "+found[1]+"\n") || strings.Contains(status.out, "note") {
		t.Errorf("status: %+v", status)
	}
	return found[1]
}

// TestSettle: the plain name is back, and a stock SQLite reads it.
func TestSettle(t *testing.T) {
	file := takenOver(t)
	got := runCommand(t, "", "settle", "--yes", "app.db")
	want := `^the database is app\.db again: 8\.2 kB copied from ` + file + ` in \S+\n$`
	if got.code != done || !regexp.MustCompile(want).MatchString(got.out) || got.err != "" {
		t.Fatalf("%+v, want %s", got, want)
	}
	conn, err := sqlite3.Open("file:app.db?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	stmt, _, err := conn.Prepare(`SELECT group_concat(a) FROM t`)
	if err != nil || !stmt.Step() || stmt.ColumnText(0) != "kept" {
		t.Errorf("a stock SQLite finds %q (%v)", stmt.ColumnText(0), err)
	}
	stmt.Close()
	status := runCommand(t, "", "status", "app.db")
	for _, want := range []string{"file     the plain name\n", "holders  none\n"} {
		if !strings.Contains(status.out, want) {
			t.Errorf("no %q in the status:\n%s", want, status.out)
		}
	}
	if copies, _ := filepath.Glob("app.db@*"); len(copies) > 0 {
		t.Errorf("%v are left", copies)
	}
	again := runCommand(t, "", "settle", "app.db")
	if diff := cmp.Diff(outcome{out: "app.db has its plain name already\n"}, again, cmp.AllowUnexported(outcome{})); diff != "" {
		t.Errorf("again (-want +got):\n%s", diff)
	}
	if got := runCommand(t, "", "shell", "app.db", "INSERT INTO t VALUES(2)", "SELECT count(*) FROM t"); got.out != "2\n" {
		t.Errorf("afterwards: %+v", got)
	}
}

// TestShellAfterATakeover: the commands that name files find the database by its plain
// name, and do not take it for another one.
func TestShellAfterATakeover(t *testing.T) {
	takenOver(t)
	for _, test := range []struct {
		name, script, out, err string
	}{
		{"backup onto itself", ".backup ./app.db", "", "is this very database"},
		{"restore from itself", ".restore app.db", "", "is this very database"},
		{"backup", ".backup copy.db\n.open copy.db\nSELECT a FROM t;", "kept\n", ""},
		{"save", ".save other.db\n.open app.db\nATTACH 'other.db' AS o; SELECT a FROM o.t;", "kept\n", ""},
		{"into", "VACUUM INTO 'into.db';\nATTACH 'into.db' AS o; SELECT a FROM o.t;", "kept\n", ""},
		{"attached", ".open copy.db\nATTACH 'app.db' AS o; SELECT a FROM o.t;", "kept\n", ""},
		{"restore", "CREATE TABLE gone(a);\n.restore copy.db\n.tables", "t\n", ""},
		{"restore from it", ".open copy.db\n.restore app.db\n.tables", "t\n", ""},
	} {
		got := runCommand(t, test.script+"\n", "shell", "app.db")
		if got.out != test.out || !strings.Contains(got.err, test.err) || (got.err == "") != (test.err == "") {
			t.Errorf("%s: %+v, want %q and %q", test.name, got, test.out, test.err)
		}
	}
	if _, err := os.Stat("app.db"); err == nil {
		t.Error("something made a file of the plain name")
	}
}

// TestSettleAsks: at a terminal, and takes nothing but yes for that.
func TestSettleAsks(t *testing.T) {
	file := takenOver(t)
	for _, test := range []struct {
		answer, want string
		code         int
	}{
		{"\r", `holdfast: nothing was changed`, failed},
		{"no\r", `holdfast: nothing was changed`, failed},
		{"\x03", `holdfast: nothing was changed`, failed},
		{"y\r", `the database is app\.db again: .* copied from ` + file, done},
	} {
		cmd := program(t, "settle", "app.db")
		screen, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 20, Cols: 100})
		if err != nil {
			t.Fatal(err)
		}
		out := read(screen)
		out.await(t, `every process that ever lost it is gone for good`)
		out.await(t, `Go on\? \[y/N\] `)
		io.WriteString(screen, test.answer)
		out.await(t, test.want)
		if code := exitCode(t, cmd); code != test.code {
			t.Errorf("exit code %d after %q, want %d", code, test.answer, test.code)
		}
		screen.Close()
	}
}

// TestSettleRefuses: one line says why, and nothing is changed.
func TestSettleRefuses(t *testing.T) {
	file := takenOver(t)
	runCommand(t, "", "shell", "--lock", "flock", "local.db", "CREATE TABLE t(a)")
	for _, test := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"nobody to ask", []string{"settle", "app.db"}, misuse, "give --yes"},
		{"kernel lock", []string{"settle", "--yes", "local.db"}, failed, "its lock is of grade kernel, so the database never leaves its plain name"},
		{"no such database", []string{"settle", "--yes", "none.db"}, failed, "there is no such database"},
		{"the copy itself", []string{"settle", "--yes", file}, failed, `it is a file of the database "app.db", which is used with lock=leasefile://`},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := tree(t)
			got := runCommand(t, "", test.args...)
			got.oneLine(t, test.want)
			if diff := cmp.Diff(before, tree(t)); diff != "" || got.code != test.code {
				t.Errorf("exit code %d, want %d; files (-before +after):\n%s", got.code, test.code, diff)
			}
		})
	}
}

// TestSettleUnderAHolder: whoever uses the database is named; whoever only has it open
// makes way.
func TestSettleUnderAHolder(t *testing.T) {
	takenOver(t)
	dsn := "file:app.db?lock=leasefile&ttl=5s"
	pool, err := holdfast.Open(dsn, holdfast.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	conn, err := pool.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(t.Context(), `BEGIN; SELECT * FROM t`); err != nil {
		t.Fatal(err)
	}
	got := elsewhere(t, "settle", "--yes", dsn)
	got.oneLine(t, "it is in use: database is held at ")
	if got.code != failed {
		t.Errorf("exit code %d, want %d", got.code, failed)
	}
	if _, err := conn.ExecContext(t.Context(), `COMMIT`); err != nil {
		t.Fatal(err)
	}
	if got := elsewhere(t, "settle", "--yes", dsn); got.code != done {
		t.Errorf("after the transaction: %+v", got)
	}
	if _, err := conn.ExecContext(t.Context(), `INSERT INTO t VALUES('after')`); err != nil {
		t.Errorf("whoever had it open: %v", err)
	}
}

// TestSettleWhileTheRemovalIsInDoubt: a process said that it would remove the plain
// name, and was not heard of again.
func TestSettleWhileTheRemovalIsInDoubt(t *testing.T) {
	takenOver(t)
	records, err := filepath.Glob("app.db.lease/*.json")
	if err != nil || len(records) != 1 {
		t.Fatalf("%v, %v", records, err)
	}
	removing := `"removing": {"id": "r", "host": "node-c", "pid": 12}, "entries"`
	if err := edit(`"entries"`, removing)(t, records[0]); err != nil {
		t.Fatal(err)
	}
	if status := runCommand(t, "", "status", "app.db"); !strings.Contains(status.out, "removing the plain name, which pid 12 on node-c set out to remove") {
		t.Errorf("status: %+v", status)
	}
	got := runCommand(t, "", "settle", "--yes", "app.db")
	got.oneLine(t, "pid 12 on node-c set out to remove the plain name")
	if got.code != failed {
		t.Errorf("exit code %d, want %d", got.code, failed)
	}
	if got := runCommand(t, "", "settle", "--yes", "--force", "app.db"); got.code != done || !strings.Contains(got.out, "the database is app.db again") {
		t.Errorf("by force: %+v", got)
	}
}

// TestAdoptUnderAHolder: whoever has the database in use is named, though its register
// says something that cannot be.
func TestAdoptUnderAHolder(t *testing.T) {
	t.Chdir(t.TempDir())
	dsn := "file:app.db?lock=leasefile&ttl=5s"
	runCommand(t, "", "shell", dsn, "CREATE TABLE t(a)")
	pool, err := holdfast.Open(dsn, holdfast.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	conn, err := pool.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("app.db.holdfast", []byte(`{"holdfast":1,"register":"other","lock":"leasefile:"}`+"\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	got := elsewhere(t, "adopt", "--yes", "--no-check", dsn)
	got.out = ""
	got.oneLine(t, "database is held at ")
	if got.code != failed {
		t.Errorf("exit code %d, want %d", got.code, failed)
	}
}
