package shell

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfastdb/holdfast"
	"github.com/holdfastdb/holdfast/cmd/holdfast/internal/target"
)

// a result is what a shell wrote, and how it ended.
type result struct {
	out, err string
	failed   error
}

// database returns a new database under a lease.
func database(t *testing.T) target.Target {
	t.Helper()
	db, err := target.Parse(filepath.Join(t.TempDir(), "app.db"), target.Flags{Lock: "leasefile"})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func run(t *testing.T, opts Options) result {
	t.Helper()
	if opts.Target.DSN == "" {
		opts.Target = database(t)
	}
	var out, err bytes.Buffer
	opts.Out, opts.Err = &out, &err
	failed := Run(t.Context(), opts)
	return result{out.String(), err.String(), failed}
}

func script(t *testing.T, text string) result {
	t.Helper()
	return run(t, Options{In: strings.NewReader(text)})
}

// check compares what went to the outputs, and whether the shell failed.
func (r result) check(t *testing.T, out, err string, failed bool) {
	t.Helper()
	if diff := cmp.Diff(out, r.out); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(err, r.err); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
	if (r.failed != nil) != failed {
		t.Errorf("the shell returned %v, want a failure: %v", r.failed, failed)
	}
}

func TestScripts(t *testing.T) {
	for _, test := range []struct {
		name, script, out, err string
		failed                 bool
	}{
		{name: "nothing"},
		{name: "no semicolon at the end", script: "SELECT 1", out: "1\n"},
		{name: "several on a line", script: "; SELECT 1;; SELECT 2; -- end\n", out: "1\n2\n"},
		{name: "over lines", script: "SELECT\n'a\nb',\n2;\n", out: "a\nb|2\n"},
		{name: "byte order mark", script: "\ufeffSELECT 1;", out: "1\n"},
		{name: "CRLF", script: ".mode csv\r\nSELECT 1,\r\n2;\r\n", out: "1,2\r\n"},
		{name: "comments alone", script: "-- SELECT 1;\n/* x */\n.print ok\n", out: "ok\n"},
		{name: "error and on", script: "SELECT 1;\nSELEC;\nSELECT 2;\n", out: "1\n2\n",
			err: "holdfast: line 2: near \"SELEC\": syntax error\n", failed: true},
		{name: "line of the failing one", script: "SELECT 1;\n\n SELECT 2; SELECT\n3; SELECT * FROM x;\n", out: "1\n2\n3\n",
			err: "holdfast: line 4: no such table: x\n", failed: true},
		{name: "bail", script: ".bail on\nSELEC;\nSELECT 2;\n",
			err: "holdfast: line 2: near \"SELEC\": syntax error\n", failed: true},
		{name: "rest of the line after an error", script: "SELEC; SELECT 2;\n",
			err: "holdfast: line 1: near \"SELEC\": syntax error\n", failed: true},
		{name: "incomplete string", script: "SELECT 'a", err: "holdfast: line 1: unrecognized token: \"'a\"\n", failed: true},
		{name: "NUL", script: "SELECT 1;\nSELECT\n'\x00';", out: "1\n",
			err: "holdfast: line 3: SQL text holds a NUL character: write char(0) instead\n", failed: true},
		{name: "constraint", script: "CREATE TABLE t(a UNIQUE); INSERT INTO t VALUES(1),(1);",
			err: "holdfast: line 1: UNIQUE constraint failed: t.a\n", failed: true},
		{name: "trigger", script: "CREATE TABLE t(a);\nCREATE TRIGGER r AFTER INSERT ON t BEGIN\nDELETE FROM t WHERE a=1;\nEND;\nINSERT INTO t VALUES(1),(2);\nSELECT * FROM t;", out: "2\n"},
		{name: "open transaction", script: "CREATE TABLE t(a); BEGIN; INSERT INTO t VALUES(1); SELECT count(*) FROM t;", out: "1\n", failed: true},
		{name: "quit", script: "SELECT 1;\n.quit\nSELECT 2;", out: "1\n"},
		{name: "unknown command", script: ".tabels\n.xyz\n.e", failed: true,
			err: "holdfast: line 1: no command .tabels: did you mean .tables?\nholdfast: line 2: no command .xyz: .help lists them\n" +
				"holdfast: line 3: .e may be .echo, .exit\n"},
		{name: "shortened command", script: ".hea on\n.sep , \nSELECT 1 AS a, 2 AS b;", out: "a,b\n1,2\n"},
		{name: "wrong arguments", script: ".mode\n.mode xyz\n.headers\n.headers perhaps\n.print 'a", failed: true, out: "current output mode: list\n",
			err: "holdfast: line 2: no output mode \"xyz\": use one of box, column, csv, insert, json, line, list, markdown, quote, table, tabs\n" +
				"holdfast: line 3: usage: .headers on|off\nholdfast: line 4: \"perhaps\" is neither on nor off\nholdfast: line 5: a quote (') is not closed\n"},
		{name: "words", script: `.print a  'b  "c"' "d\t\x\101"`, out: "a b  \"c\" d\txA\n"},
		{name: "nullvalue and separator", script: ".nullvalue NIL\n.separator ; \"!\\n\"\nSELECT NULL, 1.0, x'41', 0.1;", out: "NIL;1.0;A;0.1!\n"},
		{name: "echo and changes", script: ".echo on\n.changes on\nCREATE TABLE t(a);\nINSERT INTO t VALUES(1),(2);", out: ".changes on\nCREATE TABLE t(a);\nINSERT INTO t VALUES(1),(2);\n",
			err: "changes: 0   total_changes: 0\nchanges: 2   total_changes: 2\n"},
		{name: "tables", script: "CREATE TABLE b(x); CREATE VIEW a AS SELECT 1; CREATE INDEX i ON b(x); CREATE TEMP TABLE c(y);\n.tables\n.tables b\n.indexes\n.schema b",
			out: "a       b       temp.c\nb\ni\nCREATE TABLE b(x);\nCREATE INDEX i ON b(x);\n"},
		{name: "timeout", script: ".timeout 12\nPRAGMA busy_timeout;\n.timeout x", out: "12\n", failed: true,
			err: "holdfast: line 3: \"x\" is not a number of milliseconds\n"},
		{name: "kept settings", script: "PRAGMA foreign_keys=ON;\nSELECT 1;\nPRAGMA foreign_keys;\n", out: "1\n1\n"},
		{name: "kept temporary table", script: "CREATE TEMP TABLE t(a);\nINSERT INTO t VALUES(7);\nSELECT * FROM t;\n", out: "7\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.name == "open transaction" {
				test.err = "" // it is in the error that the shell returns
			}
			r := script(t, test.script)
			r.check(t, test.out, test.err, test.failed)
			if test.name == "open transaction" && !errors.Is(r.failed, errOpenTransaction) {
				t.Errorf("the shell returned %v, want %v", r.failed, errOpenTransaction)
			}
		})
	}
}

func TestArguments(t *testing.T) {
	db := database(t)
	run(t, Options{Target: db, Statements: []string{"CREATE TABLE t(a)", ".mode json", "INSERT INTO t VALUES(1)\n; SELECT * FROM t"}}).
		check(t, "[{\"a\":1}]\n", "", false)
	run(t, Options{Target: db, Statements: []string{"SELECT 1", "SELECT\nx", "SELECT 2"}}).
		check(t, "1\n", "holdfast: argument 2, line 1: no such column: x\n", true)
	run(t, Options{Target: db, Mode: "csv", Headers: "on", Statements: []string{"SELECT * FROM t"}}).
		check(t, "a\r\n1\r\n", "", false)
}

func TestWrongOptions(t *testing.T) {
	for _, opts := range []Options{{Mode: "xyz"}, {Headers: "perhaps"}} {
		opts.In = strings.NewReader("")
		if r := run(t, opts); !errors.Is(r.failed, ErrUsage) {
			t.Errorf("with %+v the shell returned %v, want %v", opts, r.failed, ErrUsage)
		}
	}
}

// TestNoDatabase: what is no database is refused before anything is run.
func TestNoDatabase(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text.txt")
	if err := os.WriteFile(text, []byte("certainly not a database, and long enough"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{"directory": dir, "text file": text, "missing directory": filepath.Join(dir, "no", "app.db")} {
		t.Run(name, func(t *testing.T) {
			db, err := target.Parse(path, target.Flags{Lock: "flock"})
			if err != nil {
				t.Fatal(err)
			}
			r := run(t, Options{Target: db, In: strings.NewReader("CREATE TABLE t(a); SELECT 1; SELECT 2;")})
			if r.failed == nil || errors.Is(r.failed, ErrFailed) || r.out != "" || r.err != "" {
				t.Errorf("the shell returned %v and wrote %q and %q, want one error and no output", r.failed, r.out, r.err)
			}
		})
	}
	if got, err := os.ReadFile(text); err != nil || string(got) != "certainly not a database, and long enough" {
		t.Errorf("the text file is now %q (%v)", got, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("the directory holds %v (%v), want the text file alone", entries, err)
	}
}

// A closedPipe fails like a pipe whose reader has left, after some bytes.
type closedPipe struct{ left int }

var errPipe = errors.New("broken pipe")

func (c *closedPipe) Write(p []byte) (int, error) {
	if c.left -= len(p); c.left < 0 {
		return 0, errPipe
	}
	return len(p), nil
}

// TestClosedOutput: nothing more is run, nothing is said, and what was committed
// stays.
func TestClosedOutput(t *testing.T) {
	db := database(t)
	var told bytes.Buffer
	err := Run(t.Context(), Options{Target: db, Out: &closedPipe{100}, Err: &told, In: strings.NewReader(`
		CREATE TABLE t(a); INSERT INTO t VALUES(1);
		BEGIN; INSERT INTO t VALUES(2);
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT i FROM n;
		COMMIT;`)})
	if !errors.Is(err, ErrOutput) {
		t.Errorf("the shell returned %v, want %v", err, ErrOutput)
	}
	if told.String() != "" {
		t.Errorf("it said %q", told.String())
	}
	run(t, Options{Target: db, Statements: []string{"SELECT * FROM t"}}).check(t, "1\n", "", false)
}

// TestHeld: who is in the way is named, and what to do.
func TestHeld(t *testing.T) {
	db := database(t)
	pool, err := holdfast.Open(db.DSN, holdfast.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	conn, err := pool.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(t.Context(), `BEGIN EXCLUSIVE`); err != nil {
		t.Fatal(err)
	}
	r := run(t, Options{Target: db, In: strings.NewReader(".timeout 10\nCREATE TABLE t(a);\n")})
	for _, want := range []string{"database is locked", "EXCLUSIVE", "pid", ".lock"} {
		if !strings.Contains(r.err, want) {
			t.Errorf("the error is %q, want %q in it", r.err, want)
		}
	}
	if strings.Count(r.err, "\n") != 1 || !errors.Is(r.failed, ErrFailed) {
		t.Errorf("%d lines and %v, want one and %v", strings.Count(r.err, "\n"), r.failed, ErrFailed)
	}
}

// A pipe that hands on what is written at once, so that a test can follow.
type follower struct {
	mu   sync.Mutex
	seen bytes.Buffer
	more chan struct{}
}

func newFollower() *follower { return &follower{more: make(chan struct{}, 1)} }

func (f *follower) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen.Write(p)
	select {
	case f.more <- struct{}{}:
	default:
	}
	return len(p), nil
}

func (f *follower) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen.String()
}

// await waits until something is written that contains text.
func (f *follower) await(t *testing.T, text string) {
	t.Helper()
	limit := time.After(20 * time.Second)
	for !strings.Contains(f.String(), text) {
		select {
		case <-f.more:
		case <-limit:
			t.Errorf("%q was never written, but %q", text, f.String())
			return
		}
	}
}

const endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT i FROM n;\n"

// TestInterruptedScript: what runs is stopped, and the rest is not run.
func TestInterruptedScript(t *testing.T) {
	db := database(t)
	interrupts := make(chan os.Signal, 1)
	out := newFollower()
	var told bytes.Buffer
	ended := make(chan error, 1)
	go func() {
		ended <- Run(t.Context(), Options{Target: db, Out: out, Err: &told, Interrupts: interrupts,
			In: strings.NewReader("CREATE TABLE t(a);\n" + endless + "INSERT INTO t VALUES(1);\n")})
	}()
	out.await(t, "1000\n")
	interrupts <- os.Interrupt
	if err := <-ended; !errors.Is(err, ErrFailed) {
		t.Errorf("the shell returned %v, want %v", err, ErrFailed)
	}
	if got, want := told.String(), "holdfast: line 2: interrupted\n"; got != want {
		t.Errorf("it said %q, want %q", got, want)
	}
	run(t, Options{Target: db, Statements: []string{"SELECT count(*) FROM t"}}).check(t, "0\n", "", false)
}

// TestInterruptedBetween: an interrupt that comes when nothing runs is not lost.
func TestInterruptedBetween(t *testing.T) {
	interrupts := make(chan os.Signal)
	var out, told bytes.Buffer
	sh := &Shell{opts: Options{Err: &told, Interrupts: interrupts}, out: newOutput(&out), session: openSession(database(t))}
	defer sh.session.close()
	next := lines(".print 1\n.print 2\n")
	ok := sh.runScript(t.Context(), func(ctx context.Context) (string, error) {
		line, err := next(ctx)
		if strings.Contains(line, "2") {
			interrupts <- os.Interrupt
		}
		return line, err
	})
	if ok || out.String() != "1\n" || told.String() != "holdfast: line 1: interrupted: the rest was not run\n" {
		t.Errorf("runScript = %v, and wrote %q and %q", ok, out.String(), told.String())
	}
}

// TestInterruptedInput: a script that waits for more input can be interrupted.
func TestInterruptedInput(t *testing.T) {
	interrupts := make(chan os.Signal, 1)
	in, feed := io.Pipe()
	defer feed.Close()
	out := newFollower()
	var told bytes.Buffer
	ended := make(chan error, 1)
	go func() {
		ended <- Run(t.Context(), Options{Target: database(t), In: in, Out: out, Err: &told, Interrupts: interrupts})
	}()
	io.WriteString(feed, "SELECT 42;\n")
	out.await(t, "42\n")
	interrupts <- os.Interrupt
	if err := <-ended; !errors.Is(err, ErrFailed) {
		t.Errorf("the shell returned %v, want %v", err, ErrFailed)
	}
	if !strings.Contains(told.String(), "interrupted") {
		t.Errorf("it said %q", told.String())
	}
}

// TestToldToEnd: the end of the context ends what runs and closes the database.
func TestToldToEnd(t *testing.T) {
	db := database(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	out := newFollower()
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, Options{Target: db, Out: out, Err: io.Discard,
			In: strings.NewReader("CREATE TABLE t(a); BEGIN; INSERT INTO t VALUES(1);\n" + endless)})
	}()
	out.await(t, "1000\n")
	why := errors.New("told to end")
	cancel(why)
	if err := <-ended; !errors.Is(err, why) || !errors.Is(err, errOpenTransaction) {
		t.Errorf("the shell returned %v, want %v and %v", err, why, errOpenTransaction)
	}
	run(t, Options{Target: db, Statements: []string{"SELECT count(*) FROM t"}}).check(t, "0\n", "", false)
}

func TestNote(t *testing.T) {
	for _, test := range []struct {
		sql  string
		want bool
	}{
		{"SELECT 1", false},
		{"PRAGMA foreign_keys", false},
		{"PRAGMA foreign_keys=ON", true},
		{"pragma main . cache_size = -100", true},
		{"PRAGMA busy_timeout(3)", true},
		{"PRAGMA table_info('t')", false},
		{"PRAGMA main.user_version = 3", false},
		{"PRAGMA journal_mode=WAL", false},
		{"PRAGMA journal_mode='wal'", false},
		{"PRAGMA journal_mode=persist", true},
		{"PRAGMA /* x */ foreign_keys=ON", true},
		{"ATTACH 'x' AS y", true},
		{"CREATE TABLE t(a)", false},
		{"CREATE TEMP TABLE t(a)", true},
		{"CREATE TABLE temp.t(a)", true},
	} {
		s := &session{}
		s.note(test.sql)
		if s.keep != test.want {
			t.Errorf("after %q the connection is kept: %v, want %v", test.sql, s.keep, test.want)
		}
	}
}
