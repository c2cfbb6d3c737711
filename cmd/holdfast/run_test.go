package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestMisuse: whoever typed the wrong thing gets the exit code 2 and one line.
func TestMisuse(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, test := range []struct {
		name string
		args []string
		want string
	}{
		{"unknown command", []string{"shel"}, "did you mean shell?"},
		{"very unknown command", []string{"xyzzy"}, "--help lists them"},
		{"unknown flag", []string{"shell", "--foo", "a.db"}, "unknown flag: --foo: holdfast shell --help lists the flags"},
		{"flag without a value", []string{"shell", "a.db", "--mode"}, "flag needs an argument: --mode"},
		{"no database for the shell", []string{"shell"}, "argument DB is missing"},
		{"no database for status", []string{"status"}, "argument DB is missing"},
		{"no database for settle", []string{"settle"}, "argument DB is missing"},
		{"no database for adopt", []string{"adopt", "--yes"}, "argument DB is missing"},
		{"fence that is neither", []string{"status", "file:a.db?fence=perhaps"}, "write on or off"},
		{"verify that is neither", []string{"shell", "file:a.db?verify=often"}, "write commit or read"},
		{"fence for a lock without", []string{"shell", "file:a.db?lock=flock&fence=on"}, "fence means nothing"},
		{"two databases", []string{"status", "a.db", "b.db"}, "one argument too many"},
		{"empty name", []string{"shell", ""}, "name of the database is empty"},
		{"argument of demo", []string{"demo", "x"}, "unknown command \"x\""},
		{"no time for demo", []string{"demo", "--seconds", "0"}, "--seconds must be"},
		{"bad number for demo", []string{"demo", "--seconds", "x"}, "invalid argument \"x\""},
		{"kernel lock for demo", []string{"demo", "--lock", "flock", "--ttl", ""}, "no lease"},
		{"unknown mode", []string{"shell", "a.db", "--mode", "xyz"}, "no output mode \"xyz\""},
		{"bad headers", []string{"shell", "a.db", "--headers", "x"}, "neither on nor off"},
		{"unknown lock", []string{"shell", "--lock", "bogus", "a.db"}, "no lock backend \"bogus\""},
		{"unknown lock for status", []string{"status", "--lock", "bogus:///x", "a.db"}, "no lock backend \"bogus\""},
		{"ttl of 0", []string{"shell", "--lock", "leasefile", "--ttl", "0", "a.db"}, "must be positive"},
		{"ttl below the least", []string{"shell", "--lock", "leasefile", "--ttl", "10ms", "a.db"}, "too short"},
		{"ttl that is none", []string{"demo", "--ttl", "soon"}, "not a duration"},
		{"ttl for a lock without", []string{"status", "--lock", "flock", "--ttl", "9s", "a.db"}, "has no lease"},
		{"lock said twice", []string{"shell", "--lock", "flock", "file:a.db?lock=leasefile"}, "lock is given twice"},
		{"ttl said twice", []string{"status", "--ttl", "9s", "file:a.db?ttl=8s"}, "ttl is given twice"},
		{"parameter of a bare path", []string{"shell", "a.db?lock=flock"}, "write file:a.db?lock=flock"},
		{"unknown parameter", []string{"shell", "file:a.db?lok=flock"}, "did you mean lock?"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := runCommand(t, "SELECT 1;", test.args...)
			got.oneLine(t, test.want)
			if got.code != misuse {
				t.Errorf("exit code %d, want %d", got.code, misuse)
			}
		})
	}
	if left, _ := os.ReadDir("."); len(left) > 0 {
		t.Errorf("%v was created", left)
	}
}

// TestFailure: what cannot be done gets the exit code 1 and one line, and changes
// nothing.
func TestFailure(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	runCommand(t, "", "shell", "--lock", "flock", "foreign.db", "CREATE TABLE t(a)")
	runCommand(t, "", "shell", "--lock", "leasefile", "cut.db", "CREATE TABLE t(a)")
	records, err := filepath.Glob("cut.db.lease/*.json")
	if err != nil || len(records) != 1 {
		t.Fatalf("records %v (%v), want one", records, err)
	}
	err = errors.Join(os.WriteFile("text", []byte("this is no database, whatever its size is"), 0o644), os.Mkdir("closed", 0o555),
		os.Mkdir("foreign.db.lease", 0o755), os.WriteFile("foreign.db.lease/readme", []byte("not ours"), 0o644), os.Truncate(records[0], 20))
	if err != nil {
		t.Fatal(err)
	}
	type failure struct {
		name string
		args []string
		want string
	}
	tests := []failure{
		{"directory", []string{"shell", ".", "SELECT 1"}, "is a directory"},
		{"text file", []string{"shell", "text", "SELECT 1"}, "it is something else"},
		{"text file under a lease", []string{"shell", "--lock", "leasefile", "text", "SELECT 1"}, "it is something else"},
		{"missing directory", []string{"shell", "no/a.db", "SELECT 1"}, "does not exist: create it first"},
		{"missing file, read-only", []string{"shell", "--readonly", "none.db", "SELECT 1"}, "does not exist"},
		{"status of nothing", []string{"status", "none.db"}, "no such database"},
		{"status of a directory", []string{"status", "."}, "not a file"},
		{"syntax", []string{"shell", ":memory:", "SELEC"}, "line 1: near \"SELEC\": syntax error"},
		{"lease of somebody else", []string{"shell", "foreign.db", "SELECT * FROM t"}, "not a holdfast register"},
		{"status of a lease of somebody else", []string{"status", "foreign.db"}, "not a holdfast register"},
		{"truncated record", []string{"shell", "cut.db", "SELECT * FROM t"}, "truncated"},
		{"status of a truncated record", []string{"status", "cut.db"}, "truncated"},
		{"kernel lock beside a lease", []string{"shell", "--lock", "flock", "cut.db", "SELECT 1"}, "use lock=leasefile"},
		{"no directory for demo", []string{"demo", "--dir", "no"}, "make a directory for the demonstration"},
	}
	if runtime.GOOS != "windows" && os.Getuid() != 0 { // who may do everything is refused nothing
		tests = append(tests, failure{"read-only directory", []string{"shell", "closed/a.db", "CREATE TABLE t(a)"}, "directory"})
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before := tree(t)
			got := runCommand(t, "", test.args...)
			got.oneLine(t, test.want)
			if got.code != failed {
				t.Errorf("exit code %d, want %d", got.code, failed)
			}
			if diff := cmp.Diff(before, tree(t)); diff != "" {
				t.Errorf("files (-before +after):\n%s", diff)
			}
		})
	}
}

// tree lists all files with their contents.
func tree(t *testing.T) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(".", func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			all = append(all, path)
			return err
		}
		data, err := os.ReadFile(path)
		all = append(all, path+" "+string(data))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestSpellings: one database under several names is one database.
func TestSpellings(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("sub", 0o755); err != nil {
		t.Fatal(err)
	}
	names := []string{"a.db", "./sub/../a.db", "file:a.db"}
	if os.Symlink("a.db", "link.db") == nil {
		names = append(names, "link.db")
	}
	runCommand(t, "", "shell", "--lock", "leasefile", "a.db", "CREATE TABLE t(a)")
	for _, name := range names {
		if got := runCommand(t, "", "shell", "--lock", "leasefile", name, "INSERT INTO t VALUES(1)"); got.code != done {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := runCommand(t, "SELECT count(*) FROM t;", "shell", "a.db"); got.out != string(rune('0'+len(names)))+"\n" {
		t.Errorf("count is %q, want %d", got.out, len(names))
	}
	leases, err := filepath.Glob("*.lease")
	if err != nil || !slices.Equal(leases, []string{"a.db.lease"}) {
		t.Errorf("leases %v (%v), want one", leases, err)
	}
}

func TestNoCommand(t *testing.T) {
	got := runCommand(t, "")
	if got.code != misuse || got.out != "" || !strings.Contains(got.err, "Available Commands") || !strings.HasSuffix(got.err, "holdfast: a command is missing\n") {
		t.Errorf("without a command: %+v", got)
	}
}

// TestHelp: every command explains itself, with an example that can be run.
func TestHelp(t *testing.T) {
	root, _ := rootCommand(&commandLine{})
	for _, cmd := range root.Commands() {
		if cmd.Hidden {
			continue
		}
		t.Run(cmd.Name(), func(t *testing.T) {
			got := runCommand(t, "", cmd.Name(), "--help")
			if got.code != done || got.err != "" || !strings.Contains(got.out, "Examples:\n  holdfast "+cmd.Name()) || !strings.Contains(got.out, "--lock") {
				t.Errorf("help: %+v", got)
			}
		})
	}
}

func TestVersion(t *testing.T) {
	got := runCommand(t, "", "version")
	if got.code != done || !strings.HasPrefix(got.out, "holdfast ") || !strings.Contains(got.out, runtime.Version()) || got.err != "" {
		t.Errorf("version: %+v", got)
	}
}

// TestShellCompletion: what a shell asks for.
func TestShellCompletion(t *testing.T) {
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"__complete", "sh"}, "shell\tRun SQL on a database, typed, given or piped\n:4\n"},
		{[]string{"__complete", "shell", "--mode", ""}, "box\ncolumn\ncsv\ninsert\njson\nline\nlist\nmarkdown\nquote\ntable\ntabs\n:4\n"},
		{[]string{"__complete", "status", ""}, ":0\n"},
		{[]string{"__complete", "status", "a.db", ""}, ":4\n"},
	} {
		if got := runCommand(t, "", test.args...); got.out != test.want {
			t.Errorf("%v: %q, want %q", test.args, got.out, test.want)
		}
	}
	if got := runCommand(t, "", "completion", "bash"); got.code != done || !strings.Contains(got.out, "bash completion") {
		t.Errorf("completion: %d, %d bytes", got.code, len(got.out))
	}
}

func TestShellCommand(t *testing.T) {
	t.Chdir(t.TempDir())
	got := runCommand(t, "", "shell", "a.db", "CREATE TABLE t(a)", "INSERT INTO t VALUES(1)", "SELECT * FROM t")
	if diff := cmp.Diff(outcome{out: "1\n"}, got, cmp.AllowUnexported(outcome{})); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
	got = runCommand(t, "SELEC;\nSELECT a FROM t;\n", "shell", "--mode", "csv", "--headers", "on", "a.db")
	if diff := cmp.Diff(outcome{failed, "a\r\n1\r\n", "holdfast: line 1: near \"SELEC\": syntax error\n"}, got, cmp.AllowUnexported(outcome{})); diff != "" {
		t.Errorf("script (-want +got):\n%s", diff)
	}
	got = runCommand(t, "SELEC;\nSELECT a FROM t;\n", "shell", "--bail", "a.db")
	if diff := cmp.Diff(outcome{failed, "", "holdfast: line 1: near \"SELEC\": syntax error\n"}, got, cmp.AllowUnexported(outcome{})); diff != "" {
		t.Errorf("script with --bail (-want +got):\n%s", diff)
	}
	got = runCommand(t, "", "shell", "--readonly", "a.db", "INSERT INTO t VALUES(2)")
	got.oneLine(t, "attempt to write a readonly database")
	got = runCommand(t, "BEGIN; INSERT INTO t VALUES(2);", "shell", "a.db")
	got.oneLine(t, "the open transaction was rolled back")
	if got.code != failed {
		t.Errorf("exit code %d for an open transaction, want %d", got.code, failed)
	}
	got = runCommand(t, "SELEC;\nBEGIN;\nINSERT INTO t VALUES(2);\n", "shell", "a.db")
	want := "holdfast: line 1: near \"SELEC\": syntax error\nholdfast: the open transaction was rolled back: end it with COMMIT to keep what it did\n"
	if diff := cmp.Diff(outcome{failed, "", want}, got, cmp.AllowUnexported(outcome{})); diff != "" {
		t.Errorf("open transaction after another error (-want +got):\n%s", diff)
	}
}

func TestMemory(t *testing.T) {
	if got := runCommand(t, "", "shell", ":memory:", "SELECT 1"); got.out != "1\n" || got.code != done {
		t.Errorf(":memory: %+v", got)
	}
	got := runCommand(t, "", "shell", "--lock", "leasefile", ":memory:", "SELECT 1")
	got.oneLine(t, "has no lock")
}

// TestStatusJSON: one object, with all of its fields.
func TestStatusJSON(t *testing.T) {
	t.Chdir(t.TempDir())
	runCommand(t, "", "shell", "--lock", "leasefile", "a.db", "CREATE TABLE t(a)")
	before := tree(t)
	got := runCommand(t, "", "status", "--json", "a.db")
	var fields map[string]any
	if err := json.Unmarshal([]byte(got.out), &fields); err != nil || got.code != done || got.err != "" {
		t.Fatalf("%v in %+v", err, got)
	}
	wd, _ := filepath.EvalSymlinks(".")
	abs, _ := filepath.Abs(wd)
	want := map[string]any{"grade": "fenced", "lock": "leasefile://" + filepath.ToSlash(filepath.Join(abs, "a.db.lease")), "epoch": 1.0, "file": "", "holders": []any{}, "waiters": []any{},
		"takeover": nil, "old": []any{}, "removing": nil, "notes": []any{}}
	for key, value := range want {
		if got, there := fields[key]; !there || !cmp.Equal(value, got) {
			t.Errorf("%s is %v, want %v", key, got, value)
		}
	}
	if diff := cmp.Diff(before, tree(t)); diff != "" {
		t.Errorf("files (-before +after):\n%s", diff)
	}
}
