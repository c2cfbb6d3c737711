package shell

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfastdb/holdfast/cmd/holdfast/internal/target"
)

func itoa(n int) string { return strconv.Itoa(n) }

// write makes a file in a directory of the test.
func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	inner := write(t, dir, "inner.sql", "SELECT 'inner';\nSELEC;\nSELECT 'after';\n")
	outer := write(t, dir, "outer.sql", "SELECT 'outer';\n.read "+inner+"\nSELECT 'end';\n")
	script(t, ".read "+outer+"\nSELECT 'top';\n").
		check(t, "outer\ninner\nafter\nend\ntop\n", "holdfast: "+inner+", line 2: near \"SELEC\": syntax error\n", true)
	script(t, ".bail on\n.read "+outer+"\nSELECT 'top';\n").
		check(t, "outer\ninner\n", "holdfast: "+inner+", line 2: near \"SELEC\": syntax error\n", true)
	script(t, ".read "+filepath.Join(dir, "none.sql")+"\n").
		check(t, "", "holdfast: line 1: open "+filepath.Join(dir, "none.sql")+": no such file or directory\n", true)
	itself := filepath.Join(dir, "itself.sql")
	write(t, dir, "itself.sql", ".bail on\n.read "+itself+"\n")
	r := script(t, ".read "+itself+"\n")
	if strings.Count(r.err, "\n") != 1 || !strings.Contains(r.err, "read one another") {
		t.Errorf("a script that reads itself: %q", r.err)
	}
	quits := write(t, dir, "quits.sql", "SELECT 1;\n.quit\nSELECT 2;\n")
	script(t, ".read "+quits+"\nSELECT 3;\n").check(t, "1\n", "", false)
}

func TestOutputFiles(t *testing.T) {
	dir := t.TempDir()
	once, all := filepath.Join(dir, "once"), filepath.Join(dir, "all")
	script(t, "SELECT 1;\n.once "+once+"\nSELECT 2;\nSELECT 3;\n.output "+all+"\nSELECT 4;\nSELECT 5;\n.output\nSELECT 6;\n.output "+filepath.Join(dir, "no", "file")+"\n.output |cat\nSELECT 7;").
		check(t, "1\n3\n6\n7\n", "holdfast: line 10: open "+filepath.Join(dir, "no", "file")+": no such file or directory\n"+
			"holdfast: line 11: output to a program is not supported: pipe the output of the shell instead\n", true)
	for path, want := range map[string]string{once: "2\n", all: "4\n5\n"} {
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s holds %q (%v), want %q", path, got, err, want)
		}
	}
}

func TestBackupAndRestore(t *testing.T) {
	dir := t.TempDir()
	copied := filepath.Join(dir, "copy of it.db")
	db := database(t)
	run(t, Options{Target: db, In: strings.NewReader("CREATE TABLE t(a); INSERT INTO t VALUES(1);\n.backup '" + copied + "'\nINSERT INTO t VALUES(2);\n.restore '" + copied + "'\nSELECT * FROM t;\n")}).
		check(t, "1\n", "", false)
	other, err := target.Parse(copied, target.Flags{})
	if err != nil {
		t.Fatal(err)
	}
	run(t, Options{Target: other, Statements: []string{"SELECT * FROM t"}}).check(t, "1\n", "", false)

	own := strings.TrimPrefix(strings.Split(db.DSN, "?")[0], "file:")
	for name, test := range map[string]struct{ command, want string }{
		"onto itself":         {".backup " + own, "is this very database"},
		"from itself":         {".restore " + own, "is this very database"},
		"missing directory":   {".backup " + filepath.Join(dir, "no", "x.db"), "does not exist"},
		"restore of nothing":  {".restore " + filepath.Join(dir, "none.db"), "does not exist"},
		"onto a text file":    {".backup " + write(t, dir, "text", "not a database at all"), "it is something else"},
		"no such schema":      {".backup other " + filepath.Join(dir, "y.db"), "no database \"other\""},
		"inside transactions": {"BEGIN;\n.restore '" + copied + "'", "a transaction is open"},
	} {
		t.Run(name, func(t *testing.T) {
			r := run(t, Options{Target: db, In: strings.NewReader(test.command + "\n")})
			if !strings.Contains(r.err, test.want) || r.failed == nil {
				t.Errorf("%s: %q (%v), want %q", test.command, r.err, r.failed, test.want)
			}
		})
	}
	for _, name := range []string{"x.db", "y.db", "none.db"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s was left behind", name)
		}
	}
}

func TestOpen(t *testing.T) {
	first, second := database(t), database(t)
	run(t, Options{Target: second, Statements: []string{"CREATE TABLE second(a)"}})
	r := run(t, Options{Target: first, In: strings.NewReader("CREATE TABLE first(a);\n.open " + second.DSN + "\n.tables\nBEGIN;\n.open " + first.DSN + "\nROLLBACK;\n.open " + t.TempDir() + "\n.tables\n")})
	if want := "second\nsecond\n"; r.out != want {
		t.Errorf("output %q, want %q", r.out, want)
	}
	if !strings.Contains(r.err, "a transaction is open") || !strings.Contains(r.err, "it is a directory") {
		t.Errorf("it said %q", r.err)
	}
}

func TestImport(t *testing.T) {
	dir := t.TempDir()
	good := write(t, dir, "good.csv", "id,\"a name\"\r\n1,\"x \"\"y\"\"\"\r\n2,\"two\nlines\"\r\n")
	short := write(t, dir, "short.csv", "3,c\n4\n")
	pipes := write(t, dir, "pipes", "5|e\n")
	script(t, ".import --csv "+good+" t\n.import "+pipes+" t\n.mode quote\nSELECT * FROM t;\n.schema t\n").check(t,
		"'1','x \"y\"'\n'2',replace('two\\nlines','\\n',char(10))\n'5','e'\nCREATE TABLE \"t\" (\"id\" TEXT, \"a name\" TEXT);\n",
		"2 rows imported into t\n1 rows imported into t\n", false)
	script(t, "CREATE TABLE t(a INTEGER, b);\nBEGIN;\nINSERT INTO t VALUES(0,'kept');\n.import --csv "+short+" t\nCOMMIT;\n.import --csv --skip 1 "+good+" t\nSELECT a, typeof(a), b FROM t;\n").check(t,
		"0|integer|kept\n1|integer|x \"y\"\n2|integer|two\nlines\n",
		"holdfast: line 4: import "+short+": nothing was imported: line 2 has 1 columns, t has 2\n2 rows imported into t\n", true)
	script(t, ".import --csv --skip x a b\n.import a\n.import --csv "+filepath.Join(dir, "none")+" t\n.separator ab\n.import "+good+" t\n").check(t, "",
		"holdfast: line 1: --skip x: not a number of rows\nholdfast: line 2: usage: .import [--csv] [--skip N] FILE TABLE\n"+
			"holdfast: line 3: open "+filepath.Join(dir, "none")+": no such file or directory\n"+
			"holdfast: line 5: columns cannot be separated by \"ab\": use --csv or .separator with one character\n", true)
}

func TestDump(t *testing.T) {
	r := script(t, "CREATE TABLE t(a); INSERT INTO t VALUES('x');\n.dump\n")
	r.check(t, "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE t(a);\nINSERT INTO t VALUES('x');\nCOMMIT;\n", "", false)
	script(t, r.out+"SELECT * FROM t;\n").check(t, "x\n", "", false)
}

func TestHelpNamesEveryCommand(t *testing.T) {
	out := script(t, ".help\n").out
	for _, c := range commands {
		if !strings.Contains(out, c.name+" ") {
			t.Errorf(".help does not name %s", c.name)
		}
		if c.help == "" || len(c.name+" "+c.args) > 30 && len(c.args) < 20 {
			t.Errorf("%s has no help", c.name)
		}
	}
	script(t, ".help mode\n.help .xyz\n").check(t,
		".mode [MODE [TABLE]]\n  Set the output mode: box column csv insert json line list markdown quote table tabs.\n",
		"holdfast: line 2: no command .xyz: .help lists them\n", true)
}

func TestShow(t *testing.T) {
	out := script(t, ".mode csv\n.width 1 2\n.show\n").out
	for _, want := range []string{"mode: csv\n", "width: 1 2\n", `separator: ","`, "timeout: 5s\n", "output: stdout\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
}

func TestWords(t *testing.T) {
	for _, test := range []struct {
		name, line string
		want       []string
	}{
		{"plain", " .a  b\tc ", []string{".a", "b", "c"}},
		{"single quotes", `.a 'b "c\n'd`, []string{".a", `b "c\n`, "d"}},
		{"double quotes", `.a "b\"\\\t\061\x"`, []string{".a", "b\"\\\t1x"}},
		{"empty word", `.a ""`, []string{".a", ""}},
		{"quote inside a word", `.a b'c d`, []string{".a", "b'c", "d"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := words(test.line)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("words(%q) (-want +got):\n%s", test.line, diff)
			}
		})
	}
	for _, line := range []string{`.a "b`, `.a 'b`, `.a "b\`} {
		if got, err := words(line); err == nil {
			t.Errorf("words(%q) = %q, want an error", line, got)
		}
	}
}

func FuzzWords(f *testing.F) {
	f.Add(`.a "b\061" 'c`)
	f.Fuzz(func(t *testing.T, line string) {
		all, err := words(line)
		if err == nil && len(all) == 0 && strings.Trim(line, " \t\r\n") != "" {
			t.Errorf("words(%q) is nothing", line)
		}
	})
}

func TestHistory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "history")
	h := loadHistory(path)
	for _, input := range []string{"SELECT 1;\n", "SELECT\n  'two';\n", "  \n"} {
		if _, err := h.Write(input); err != nil {
			t.Fatal(err)
		}
	}
	again := loadHistory(path)
	if diff := cmp.Diff([]string{"SELECT 1;", "SELECT\n  'two';"}, again.inputs); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("the file has mode %v (%v), and others can read it", info.Mode(), err)
	}
}

func TestHistoryIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	var b bytes.Buffer
	for i := range 2*maxHistory + 1 {
		b.Write(encode(fmt.Sprintf("SELECT %d;", i)))
	}
	b.WriteString("not ours\n")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	loadHistory(path)
	h := loadHistory(path)
	last, err := h.GetLine(h.Len() - 1)
	if want := fmt.Sprintf("SELECT %d;", 2*maxHistory); h.Len() != maxHistory || last != want || err != nil {
		t.Errorf("%d inputs, the last %q (%v), want %d and %q", h.Len(), last, err, maxHistory, want)
	}
}

// TestNoHistory: that there is no place for it is no error.
func TestNoHistory(t *testing.T) {
	file := write(t, t.TempDir(), "file", "")
	for _, path := range []string{"", filepath.Join(file, "history")} {
		h := loadHistory(path)
		if _, err := h.Write("SELECT 1;"); err != nil || h.Len() != 1 {
			t.Errorf("%q: %d inputs, %v", path, h.Len(), err)
		}
	}
}
