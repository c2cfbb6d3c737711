package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfastdb/holdfast"
)

// orphans makes a directory with what a register that was deleted leaves behind: two
// copies that are sound, with 3 and 7 in their one row, and the half of a third.
func orphans(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	then := time.Date(2024, 2, 29, 12, 0, 0, 0, time.Local)
	for name, value := range map[string]string{"app.db@3-00000001": "3", "app.db@7-0000000a": "7", "app.db@9-0000000b": "9"} {
		got := runCommand(t, "", "shell", "--lock", "flock", "x.db", "CREATE TABLE t(a)", "INSERT INTO t VALUES("+value+")")
		if err := errors.Join(os.Rename("x.db", name), os.Chtimes(name, then, then)); got.code != done || err != nil {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	err := errors.Join(os.Truncate("app.db@9-0000000b", 4096), os.Chtimes("app.db@9-0000000b", then, then),
		os.WriteFile("app.db.holdfast", []byte(`{"holdfast":1,"register":"gone","lock":"leasefile:///elsewhere/app.db.lease"}`+"\n"), 0o644))
	if err != nil {
		t.Fatal(err)
	}
}

const listing = `
┌───────────────────┬───────┬────────┬─────────────────────┬─────────┬───────────┬───────────────────────────────────────────┐
│ file              │ epoch │ size   │ changed             │ counter │ beside it │ integrity                                 │
├───────────────────┼───────┼────────┼─────────────────────┼─────────┼───────────┼───────────────────────────────────────────┤
│ app.db@9-0000000b │ 9     │ 4.1 kB │ 2024-02-29 12:00:00 │       2 │           │ sqlite3: database disk image is malformed │
│ app.db@7-0000000a │ 7     │ 8.2 kB │ 2024-02-29 12:00:00 │       2 │           │ ok                                        │
│ app.db@3-00000001 │ 3     │ 8.2 kB │ 2024-02-29 12:00:00 │       2 │           │ ok                                        │
└───────────────────┴───────┴────────┴─────────────────────┴─────────┴───────────┴───────────────────────────────────────────┘

Recommended is app.db@7-0000000a: of those that are not damaged it has the highest epoch, 7, and each takeover copies to a higher one.
A copy that was never finished has a high epoch too: compare size, time and counter with the others.
`

// TestAdopt: what is recommended is adopted, or what is named; and the database goes
// on from there.
func TestAdopt(t *testing.T) {
	for _, test := range []struct {
		name   string
		marked bool
		flags  []string
		damage string
		file   string
		row    string
	}{
		{"recommended", true, nil, "is not the one that app.db.holdfast speaks of, leasefile:///elsewhere/app.db.lease", "app.db@7-0000000a", "7\n"},
		{"named", true, []string{"--file", "app.db@3-00000001"}, "is not the one that", "app.db@3-00000001", "3\n"},
		{"without a marker", false, nil, "was never used, but there is app.db@9-0000000b, a copy", "app.db@7-0000000a", "7\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			orphans(t)
			if !test.marked {
				if err := os.Remove("app.db.holdfast"); err != nil {
					t.Fatal(err)
				}
			}
			before := tree(t)
			got := runCommand(t, "", append([]string{"adopt", "--yes", "--lock", "leasefile", "app.db"}, test.flags...)...)
			damage, rest, _ := strings.Cut(got.out, "\n")
			if got.code != done || got.err != "" || !strings.Contains(damage, test.damage) {
				t.Fatalf("%+v", got)
			}
			want := listing + test.file + " is adopted: whoever opens app.db next copies it, and goes on with the copy\n"
			if diff := cmp.Diff(want, rest); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for _, file := range before {
				if after := tree(t); !strings.HasPrefix(file, "app.db.holdfast ") && !strings.Contains(strings.Join(after, "\n"), file) {
					t.Errorf("%.40q was changed", file)
				}
			}
			status := runCommand(t, "", "status", "app.db")
			for _, want := range []string{"file     " + test.file + "\n", "epoch    10\n", "takeover from "} {
				if !strings.Contains(status.out, want) {
					t.Errorf("no %q in the status:\n%s", want, status.out)
				}
			}
			if got := runCommand(t, "", "shell", "app.db", "SELECT a FROM t"); got.out != test.row || got.code != done {
				t.Errorf("rows %+v, want %q", got, test.row)
			}
		})
	}
}

func TestRecommend(t *testing.T) {
	for _, test := range []struct {
		name     string
		all      []holdfast.Candidate
		verdicts map[string]string
		file     string
		why      string
	}{
		{"highest epoch", []holdfast.Candidate{{File: "b", Epoch: 2, Size: 1}, {File: "a", Epoch: 1, Size: 1}, {Size: 1}},
			map[string]string{"b": "ok", "a": "ok", "": "ok"}, "b", "highest epoch, 2"},
		{"empty one", []holdfast.Candidate{{File: "b", Epoch: 2}, {File: "a", Epoch: 1, Size: 1}},
			map[string]string{"b": "ok", "a": "ok"}, "a", "highest epoch, 1"},
		{"empty one with a WAL", []holdfast.Candidate{{File: "b", Epoch: 2, WAL: true}, {File: "a", Epoch: 1, Size: 1}},
			map[string]string{"b": "ok", "a": "ok"}, "b", "highest epoch, 2"},
		{"damaged one", []holdfast.Candidate{{File: "b", Epoch: 2, Size: 1}, {Size: 1}},
			map[string]string{"b": "malformed", "": "ok"}, "app.db", "no other is sound"},
		{"one alone, not looked into", []holdfast.Candidate{{Size: 1}},
			map[string]string{"": "not checked: no space"}, "app.db", "Nobody looked into it"},
		{"none", []holdfast.Candidate{{Size: 1}}, map[string]string{"": "malformed"}, "", "None is recommended"},
	} {
		file, why := recommend("app.db", test.all, test.verdicts)
		if file != test.file || !strings.Contains(why, test.why) {
			t.Errorf("%s: %q, %q, want %q, %q", test.name, file, why, test.file, test.why)
		}
	}
}

// TestAdoptWithoutACheck looks into nothing.
func TestAdoptWithoutACheck(t *testing.T) {
	orphans(t)
	got := runCommand(t, "", "adopt", "--yes", "--no-check", "--lock", "leasefile", "app.db")
	if got.code != done || strings.Count(got.out, "not checked") != 3 || !strings.Contains(got.out, "Recommended is app.db@9-0000000b") ||
		!strings.Contains(got.out, "Nobody looked into it.") {
		t.Errorf("%+v", got)
	}
}

// TestAdoptRefuses: one line says why, and nothing is changed.
func TestAdoptRefuses(t *testing.T) {
	adopt := func(args ...string) []string {
		return append([]string{"adopt", "--lock", "leasefile", "app.db"}, args...)
	}
	for _, test := range []struct {
		name string
		make func() error
		args []string
		code int
		want string
	}{
		{"nobody to ask", nil, adopt(), misuse, "give --yes"},
		{"no such candidate", nil, adopt("--yes", "--file", "app.db"), failed, `no candidate "app.db": use one of app.db@9-0000000b, app.db@7-0000000a, app.db@3-00000001`},
		{"path for a candidate", nil, adopt("--yes", "--file", "../app.db@9-0000000b"), failed, "no candidate"},
		{"auto", nil, []string{"adopt", "--yes", "app.db"}, failed, "it is used with lock=leasefile:///elsewhere/app.db.lease"},
		{"kernel lock", nil, []string{"adopt", "--yes", "--lock", "flock", "app.db"}, failed, "other processes use it with lock=leasefile:///elsewhere/app.db.lease"},
		{"no fence", nil, []string{"adopt", "--yes", "file:app.db?lock=leasefile&fence=off"}, failed, "never leaves its plain name"},
		{"nothing there", nil, []string{"adopt", "--yes", "--lock", "leasefile", "none.db"}, failed, "there is no such database"},
		{"nothing but the marker", func() error {
			return errors.Join(os.Remove("app.db@3-00000001"), os.Remove("app.db@7-0000000a"), os.Remove("app.db@9-0000000b"))
		}, adopt("--yes"), failed, "there is no file that could be the database: restore one as app.db, and adopt that"},
		{"all damaged", func() error {
			return errors.Join(os.Remove("app.db@3-00000001"), os.Remove("app.db@7-0000000a"))
		}, adopt("--yes"), failed, "none is recommended: choose one with --file"},
		{"something else for a register", func() error {
			return errors.Join(os.Mkdir("app.db.lease", 0o777), os.WriteFile("app.db.lease/mine", nil, 0o666))
		}, adopt("--yes"), failed, "not a holdfast register"},
		{"register in order", func() error {
			if got := runCommand(t, "", adopt("--yes")...); got.code != done {
				return errors.New(got.err)
			}
			return nil
		}, adopt("--yes"), failed, "the register is in order: the database is app.db@7-0000000a: open it"},
	} {
		t.Run(test.name, func(t *testing.T) {
			orphans(t)
			if test.make != nil {
				if err := test.make(); err != nil {
					t.Fatal(err)
				}
			}
			before := tree(t)
			got := runCommand(t, "", test.args...)
			got.out = "" // it may have listed them
			got.oneLine(t, test.want)
			if got.code != test.code {
				t.Errorf("exit code %d, want %d", got.code, test.code)
			}
			if diff := cmp.Diff(before, tree(t)); diff != "" {
				t.Errorf("files (-before +after):\n%s", diff)
			}
		})
	}
}

// TestAdviceCanBePasted: wherever a text names the command, it is as it must be typed.
func TestAdviceCanBePasted(t *testing.T) {
	flagged := []string{"adopt", "--lock", "leasefile", "a b.db"}
	for _, test := range []struct {
		args, pasted []string
		want         string
		variable     string // HOLDFAST_LOCK
	}{
		{[]string{"status", "--lock", "leasefile", "a b.db"}, flagged, "holdfast adopt --lock leasefile 'a b.db'\n", ""},
		{[]string{"status", "--json", "--lock", "leasefile", "a b.db"}, flagged, "holdfast adopt --lock leasefile 'a b.db'\"\n", ""},
		{[]string{"settle", "--lock", "leasefile", "a b.db"}, flagged, "holdfast adopt --lock leasefile 'a b.db'\n", ""},
		{[]string{"shell", "--lock", "leasefile", "a b.db", "SELECT 1"}, flagged, "holdfast adopt --lock leasefile 'a b.db' to say", ""},
		{[]string{"shell", "a b.db", "SELECT 1"}, []string{"adopt", "a b.db"}, "holdfast adopt 'a b.db' to say", "leasefile"},
		{[]string{"shell", "file:a%20b.db?lock=leasefile", "SELECT 1"}, []string{"adopt", "file:a%20b.db?lock=leasefile"}, "holdfast adopt 'file:a%20b.db?lock=leasefile' to say", ""},
	} {
		t.Run(strings.Join(test.args, " "), func(t *testing.T) {
			t.Chdir(t.TempDir())
			t.Setenv("HOLDFAST_LOCK", test.variable)
			if got := runCommand(t, "", "shell", "--lock", "leasefile", "a b.db", "CREATE TABLE t(a)"); got.code != done {
				t.Fatalf("%+v", got)
			}
			if err := os.RemoveAll("a b.db.lease"); err != nil {
				t.Fatal(err)
			}
			if got := runCommand(t, "", test.args...); !strings.Contains(got.out+got.err, test.want) {
				t.Errorf("%+v, want %s", got, test.want)
			}
			if got := runCommand(t, "", append(test.pasted, "--yes")...); got.code != done {
				t.Errorf("%q: %+v", test.pasted, got)
			}
		})
	}
}

// TestAdviceForACopyAlone: if no lock is named, it is that which auto takes for a lease.
func TestAdviceForACopyAlone(t *testing.T) {
	orphans(t)
	if err := os.Remove("app.db.holdfast"); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"shell", "app.db"}, {"shell", "--lock", "flock", "app.db"}} {
		got := runCommand(t, "SELECT 1;", args...)
		got.oneLine(t, "see holdfast adopt --lock leasefile app.db")
	}
}

// TestAdoptReplacesADamagedRecord: of whatever kind the damage is.
func TestAdoptReplacesADamagedRecord(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, record string) error{
		"truncated":        func(_ *testing.T, record string) error { return os.Truncate(record, 20) },
		"not JSON":         func(_ *testing.T, record string) error { return os.WriteFile(record, []byte("text"), 0o666) },
		"of another":       edit(`"database": "app.db"`, `"database": "other.db"`),
		"path for a file":  edit(`"file": ""`, `"file": "../../etc/passwd"`),
		"forged file":      edit(`"file": ""`, `"file": "app.db@1-zz"`),
		"file not there":   edit(`"file": ""`, `"file": "app.db@1-0123abcd"`),
		"another register": edit(`"id": "`, `"id": "x`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			if got := runCommand(t, "", "shell", "--lock", "leasefile", "app.db", "CREATE TABLE t(a)", "INSERT INTO t VALUES(1)"); got.code != done {
				t.Fatalf("%+v", got)
			}
			records, err := filepath.Glob("app.db.lease/*.json")
			if err != nil {
				t.Fatal(err)
			}
			for _, record := range records {
				if err := spoil(t, record); err != nil {
					t.Fatal(err)
				}
			}
			before := tree(t)
			refused := runCommand(t, "", "shell", "app.db", "SELECT * FROM t")
			refused.oneLine(t, "app.db")
			if diff := cmp.Diff(before, tree(t)); diff != "" || refused.code != failed {
				t.Errorf("%+v, files (-before +after):\n%s", refused, diff)
			}
			if got := runCommand(t, "", "adopt", "--yes", "app.db"); got.code != done {
				t.Fatalf("%+v", got)
			}
			if got := runCommand(t, "", "shell", "app.db", "SELECT * FROM t"); got.out != "1\n" || got.code != done {
				t.Errorf("afterwards: %+v", got)
			}
		})
	}
}

// edit replaces a part of a record.
func edit(old, new string) func(*testing.T, string) error {
	return func(t *testing.T, record string) error {
		text, err := os.ReadFile(record)
		if err == nil && !strings.Contains(string(text), old) {
			t.Errorf("no %s in %s", old, text)
		}
		return errors.Join(err, os.WriteFile(record, []byte(strings.Replace(string(text), old, new, 1)), 0o666))
	}
}
