package shell

import (
	"bytes"
	"context"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A typist is an [Editor] that types what a test says.
type typist struct {
	t        *testing.T
	inputs   []string // "^C" is the key
	prompts  []string // that it saw
	complete func(string) Candidates
	before   map[int]func() // called before an input is typed
}

func (ty *typist) SetCompleter(f func(string) Candidates) { ty.complete = f }

func (ty *typist) Read(_ context.Context, prompt, more string, whole func(string) bool) (string, error) {
	ty.prompts = append(ty.prompts, prompt)
	if f := ty.before[len(ty.prompts)-1]; f != nil {
		f()
	}
	if len(ty.inputs) == 0 {
		return "", io.EOF
	}
	input := ty.inputs[0]
	ty.inputs = ty.inputs[1:]
	if input == "^C" {
		return "", ErrInterrupt
	}
	if len(more) != len(prompt) || !strings.HasSuffix(more, "...> ") {
		ty.t.Errorf("the prompt for more is %q after %q", more, prompt)
	}
	if !whole(input) {
		ty.t.Errorf("%q is not complete", input)
	}
	return input, nil
}

// converse has a typist use a shell.
func converse(t *testing.T, opts Options, ty *typist) result {
	t.Helper()
	ty.t = t
	opts.Editor = ty
	return run(t, opts)
}

// TestPrompt: it shows what the connection holds, and changes in a transaction.
func TestPrompt(t *testing.T) {
	ty := &typist{inputs: []string{
		"CREATE TABLE t(a);\n",
		"BEGIN;\n",
		"SELECT count(*) FROM t;\n",
		"INSERT INTO t VALUES(1);\n",
		"^C",
		"SELEC;\n",
		"COMMIT;\n",
		"BEGIN EXCLUSIVE;\n",
	}}
	r := converse(t, Options{}, ty)
	want := []string{
		"app.db> ",
		"app.db> ",
		"app.db BEGIN> ",
		"app.db SHARED@1> ",
		"app.db RESERVED@1> ",
		"app.db RESERVED@1> ",
		"app.db RESERVED@1> ",
		"app.db> ",
		"app.db EXCLUSIVE@1> ",
	}
	if diff := cmp.Diff(want, ty.prompts); diff != "" {
		t.Errorf("prompts (-want +got):\n%s", diff)
	}
	if r.failed != nil {
		t.Errorf("the shell returned %v: leaving is no failure", r.failed)
	}
	for _, want := range []string{"grade fenced", "near \"SELEC\": syntax error\n", errOpenTransaction.Error()} {
		if !strings.Contains(r.err, want) {
			t.Errorf("it said %q, want %q in it", r.err, want)
		}
	}
}

func TestKernelPrompt(t *testing.T) {
	db := database(t)
	db.DSN = strings.ReplaceAll(db.DSN, "leasefile", "flock")
	ty := &typist{inputs: []string{"BEGIN IMMEDIATE;\n"}}
	r := converse(t, Options{Target: db}, ty)
	if diff := cmp.Diff([]string{"app.db> ", "app.db RESERVED> "}, ty.prompts); diff != "" {
		t.Errorf("prompts (-want +got):\n%s", diff)
	}
	if !strings.Contains(r.err, "grade kernel") {
		t.Errorf("it said %q", r.err)
	}
}

// TestInterruptedStatement: the transaction stays open, and the shell goes on. An
// interrupt that came while nothing ran stops nothing.
func TestInterruptedStatement(t *testing.T) {
	interrupts := make(chan os.Signal, 1)
	out := newFollower()
	ty := &typist{t: t, inputs: []string{
		"CREATE TABLE t(a); BEGIN; INSERT INTO t VALUES(1);\n",
		endless,
		"INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT i FROM n LIMIT 300000; COMMIT;\n",
		"SELECT 'rows', count(*) FROM t;\n",
	}, before: map[int]func(){
		1: func() {
			go func() {
				out.await(t, "1000\n")
				interrupts <- os.Interrupt
			}()
		},
		2: func() { interrupts <- os.Interrupt },
	}}
	var told bytes.Buffer
	err := Run(t.Context(), Options{Target: database(t), Editor: ty, Mode: "list", Out: out, Err: &told, Interrupts: interrupts})
	if err != nil {
		t.Errorf("the shell returned %v", err)
	}
	if !strings.HasSuffix(out.String(), "rows|300001\n") {
		t.Errorf("output ends with %q", out.String()[max(0, len(out.String())-100):])
	}
	if got := strings.Count(told.String(), "interrupted"); got != 1 {
		t.Errorf("it told of %d interrupts, want 1: %q", got, told.String())
	}
	if ty.prompts[2] != "app.db RESERVED@1> " {
		t.Errorf("the prompt after the interrupt is %q", ty.prompts[2])
	}
}

// TestRolledBack: that SQLite ended a transaction is told.
func TestRolledBack(t *testing.T) {
	r := converse(t, Options{}, &typist{inputs: []string{
		"CREATE TABLE t(a UNIQUE ON CONFLICT ROLLBACK); BEGIN; INSERT INTO t VALUES(1);\n",
		"INSERT INTO t VALUES(1);\n",
	}})
	if !strings.Contains(r.err, "UNIQUE constraint failed: t.a\nthe transaction was rolled back\n") {
		t.Errorf("it said %q", r.err)
	}
}

// TestPasted: several inputs at once, up to the first that fails.
func TestPasted(t *testing.T) {
	r := converse(t, Options{Mode: "list"}, &typist{inputs: []string{
		".nullvalue NIL\n",
		"SELECT 1;\n.mode csv\nSELECT NULL, 2;\nSELEC;\nSELECT 3;\n",
	}})
	if want := "1\nNIL,2\r\n"; r.out != want {
		t.Errorf("output %q, want %q", r.out, want)
	}
}

func TestLock(t *testing.T) {
	r := converse(t, Options{}, &typist{inputs: []string{"CREATE TABLE t(a); BEGIN IMMEDIATE;\n", ".lock\n"}})
	for _, want := range []string{`grade +fenced: whatever`, `lock +leasefile://.*/app.db.lease`, `epoch +1`, `holds .*EXCLUSIVE .*` + regexp.QuoteMeta(itoa(os.Getpid())), `here +RESERVED under epoch 1`} {
		if !regexp.MustCompile(want).MatchString(r.out) {
			t.Errorf("output\n%s, want %s in it", r.out, want)
		}
	}
}

func TestCompletion(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for _, name := range []string{"one.sql", "other.sql", "two words.sql", ".hidden"} {
		if err := os.WriteFile(name, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir("sub", 0o755); err != nil {
		t.Fatal(err)
	}
	ty := &typist{inputs: []string{
		`CREATE TABLE Track(TrackId, Name, "odd name"); CREATE VIEW trackers AS SELECT 1 AS tally; CREATE TEMP TABLE tmp(a);` + "\n",
	}}
	type row struct {
		name, text string
		start      int
		want       []string
	}
	rows := []row{
		{"keyword in small letters", "sel", 0, []string{"select"}},
		{"keyword in large letters", "SEL", 0, []string{"SELECT"}},
		{"table after FROM", "SELECT * FROM tr", 14, []string{"Track", "trackers"}},
		{"all tables after FROM", "SELECT * FROM ", 14, []string{"Track", "tmp", "trackers"}},
		{"keyword, column and table", "SELECT Tra", 7, []string{"TRANSACTION", "Track", "TrackId", "trackers"}},
		{"column of a table", "SELECT track.", 7, []string{"track.Name", "track.TrackId", "track.\"odd name\""}},
		{"beginning of a column of a table", "SELECT count(Track.n", 13, []string{"Track.Name"}},
		{"column of a view", "SELECT tally", 7, []string{"tally"}},
		{"nothing in a string", "SELECT 'sel", 0, nil},
		{"nothing in a comment", "SELECT 1 -- sel", 0, nil},
		{"nothing to go by", "SELECT ", 0, nil},
		{"second line", "SELECT 1\nFROM tr", 14, []string{"Track", "trackers"}},
		{"command", ".ta", 0, []string{".tables"}},
		{"all commands with s", ".s", 0, []string{".schema", ".separator", ".show"}},
		{"file", ".read o", 6, []string{"one.sql", "other.sql"}},
		{"directory", ".read s", 6, []string{"sub" + string(os.PathSeparator)}},
		{"all files", ".backup ", 8, []string{"one.sql", "other.sql", "sub" + string(os.PathSeparator)}},
		{"table of a command", ".schema tr", 8, []string{"Track", "trackers"}},
		{"mode", ".mode m", 6, []string{"markdown"}},
		{"switch", ".headers o", 9, []string{"off", "on"}},
		{"help", ".help .mo", 6, []string{".mode"}},
		{"no argument", ".quit x", 0, nil},
	}
	ty.before = map[int]func(){1: func() {
		for _, row := range rows {
			got := ty.complete(row.text)
			if diff := cmp.Diff(row.want, got.Values); diff != "" {
				t.Errorf("%s: %q (-want +got):\n%s", row.name, row.text, diff)
			}
			if len(row.want) > 0 && got.Start != row.start {
				t.Errorf("%s: %q: the word begins at %d, want %d", row.name, row.text, got.Start, row.start)
			}
		}
	}}
	r := converse(t, Options{}, ty)
	if r.failed != nil {
		t.Errorf("the shell returned %v", r.failed)
	}
	if len(ty.prompts) != 2 {
		t.Errorf("%d prompts, want 2", len(ty.prompts))
	}
}

// TestPlainEditor: a terminal that cannot do more.
func TestPlainEditor(t *testing.T) {
	in, feed := io.Pipe()
	prompts := newFollower()
	interrupts := make(chan os.Signal)
	editor := NewPlainEditor(in, prompts, interrupts)
	go func() {
		io.WriteString(feed, "SELECT 1,\n2;\n")
		prompts.await(t, "app.db>    ...> app.db> ")
		interrupts <- os.Interrupt
		prompts.await(t, "app.db> \napp.db> ")
		io.WriteString(feed, "SELECT 3;\n")
		feed.Close()
	}()
	r := run(t, Options{Editor: editor, Mode: "list", Interrupts: make(chan os.Signal)})
	if want := "1|2\n3\n"; r.out != want || r.failed != nil {
		t.Errorf("output %q and %v, want %q", r.out, r.failed, want)
	}
}
