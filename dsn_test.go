package holdfast

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ncruces/go-sqlite3"
)

func TestSourceIsReadAsSQLiteDoes(t *testing.T) {
	tests := []struct {
		name    string
		dsn     string
		windows bool
		path    string
		params  url.Values
	}{
		{name: "empty", dsn: ""},
		{name: "memory", dsn: ":memory:", path: ":memory:"},
		{name: "relative path", dsn: "app.db", path: "app.db"},
		{name: "absolute path", dsn: "/data/app.db", path: "/data/app.db"},
		{name: "path with a space", dsn: "/my data/app.db", path: "/my data/app.db"},
		{name: "path with a percent sign", dsn: "/data/100%25.db", path: "/data/100%25.db"},
		{name: "path with a question mark", dsn: "/data/why?.db", path: "/data/why?.db"},
		{name: "path with a hash", dsn: "/data/c#.db", path: "/data/c#.db"},
		{name: "path of Windows", dsn: `C:\data\app.db`, windows: true, path: "C:/data/app.db"},
		{name: "backslash elsewhere", dsn: `C:\data\app.db`, path: `C:\data\app.db`},
		{name: "network path of Windows", dsn: `\\server\share\app.db`, windows: true, path: "//server/share/app.db"},
		{name: "relative URI", dsn: "file:app.db", path: "app.db"},
		{name: "absolute URI", dsn: "file:/data/app.db", path: "/data/app.db"},
		{name: "URI with an empty host", dsn: "file:///data/app.db", path: "/data/app.db"},
		{name: "URI with the local host", dsn: "file://localhost/data/app.db", path: "/data/app.db"},
		{name: "URI with a drive letter", dsn: "file:///C:/data/app.db", windows: true, path: "C:/data/app.db"},
		{name: "the same elsewhere", dsn: "file:///C:/data/app.db", path: "/C:/data/app.db"},
		{name: "URI with a network path", dsn: "file://///server/app.db", windows: true, path: "//server/app.db"},
		{name: "escapes in a URI", dsn: "file:a%20b%3f%23%25.db", path: "a b?#%.db"},
		{name: "plus in a path", dsn: "file:a+b.db", path: "a+b.db"},
		{name: "parameters", dsn: "file:x?mode=ro&cache=shared", path: "x", params: url.Values{"mode": {"ro"}, "cache": {"shared"}}},
		{name: "parameter without a value", dsn: "file:x?immutable", path: "x", params: url.Values{"immutable": {""}}},
		{name: "plus in a parameter of SQLite", dsn: "file:x?lock=a+b", path: "x", params: url.Values{"lock": {"a+b"}}},
		{name: "plus in a parameter of go-sqlite3", dsn: "file:x?_timefmt=a+b", path: "x", params: url.Values{"_timefmt": {"a b"}}},
		{name: "space in a parameter of SQLite", dsn: "file:x?lock=a%20b", path: "x", params: url.Values{"lock": {"a b"}}},
		{name: "semicolon in a parameter", dsn: "file:x?_pragma=a;b", path: "x", params: url.Values{"_pragma": {"a;b"}}},
		{name: "order of pragmas", dsn: "file:x?_pragma=b&mode=rw&_pragma=a", path: "x", params: url.Values{"_pragma": {"b", "a"}, "mode": {"rw"}}},
		{name: "URL as a parameter", dsn: "file:x?lock=leasefile:///o/d%3fx%3d1%26y=2", path: "x", params: url.Values{"lock": {"leasefile:///o/d?x=1&y=2"}}},
		{name: "empty parameters", dsn: "file:x?&&mode=rw&", path: "x", params: url.Values{"mode": {"rw"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			src, err := splitSource(tt.dsn, tt.windows)
			if err != nil {
				t.Fatal(err)
			}
			if tt.params == nil {
				tt.params = url.Values{}
			}
			if diff := cmp.Diff(source{tt.path, tt.params}, src, cmp.AllowUnexported(source{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			again, err := splitSource(src.String(), tt.windows)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(src, again, cmp.AllowUnexported(source{})); diff != "" {
				t.Errorf("%s is read back otherwise (-want +got):\n%s", src, diff)
			}
		})
	}
}

func TestSourceThatIsRefused(t *testing.T) {
	tests := []struct {
		name, dsn, want string
	}{
		{"fragment", "file:c#.db", `holdfast: "file:c#.db": SQLite ignores what follows a # in a file: name; write it as %23`},
		{"host", "file://data/app.db?mode=ro", `holdfast: "file://data/app.db?mode=ro": "data" is taken for a host name; write file:data/app.db for a relative path, file:///data/app.db for an absolute one`},
		{"broken escape", "file:100%.db", `holdfast: "file:100%.db": invalid URL escape "%.d"; write a percent sign as %25`},
		{"broken escape in a parameter", "file:x?lock=%zz", `holdfast: "file:x?lock=%zz": invalid URL escape "%zz"; write a percent sign as %25`},
		{"NUL in a path", "a\x00b", `holdfast: "a\x00b": a path cannot contain a NUL byte`},
		{"NUL in a URI", "file:a%00b", `holdfast: "file:a%00b": a data source name cannot contain a NUL byte`},
		{"parameters of a plain path", "my app.db?lock=leasefile", `holdfast: "my app.db?lock=leasefile": only a file: name takes parameters; write file:my%20app.db?lock=leasefile`},
		{"another driver's parameters of a plain path", "app.db?_journal_mode=wal", `holdfast: "app.db?_journal_mode=wal": only a file: name takes parameters; write file:app.db?_journal_mode=wal`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parseSource(tt.dsn)
			if diff := cmp.Diff(tt.want, message(err)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestParamsThatAreRefused(t *testing.T) {
	tests := []struct {
		name, query, want string
	}{
		{"known ones", "vfs=holdfast&mode=ro&cache=shared&psow=0&nolock=0&immutable=1&modeof=x&_pragma=a&_pragma=b&_txlock=immediate&_timefmt=auto", ""},
		{"mattn's name of a pragma", "_journal_mode=wal", `unknown parameter "_journal_mode": use _pragma=journal_mode(wal)`},
		{"mattn's abbreviation of a pragma", "_fk=1", `unknown parameter "_fk": use _pragma=foreign_keys(1)`},
		{"mattn's busy timeout", "_timeout=5000", `unknown parameter "_timeout": use _pragma=busy_timeout(5000)`},
		{"pragma without underscore", "journal_mode=wal", `unknown parameter "journal_mode": use _pragma=journal_mode(wal)`},
		{"modernc's time format", "_time_format=sqlite", `unknown parameter "_time_format": did you mean _timefmt?`},
		{"misspelt lock", "lokc=flock", `unknown parameter "lokc": did you mean lock?`},
		{"misspelt ttl", "tll=5s", `unknown parameter "tll": did you mean ttl?`},
		{"upper case", "TTL=5s", `unknown parameter "TTL": did you mean ttl?`},
		{"something else", "frobnicate=1", `unknown parameter "frobnicate": use one of _pragma, _timefmt, _txlock, cache, fence, fs, guard, idle, immutable, lock, mode, modeof, nolock, poll, psow, renew, sticky, timeout, ttl, verify, vfs`},
		{"twice", "ttl=5s&ttl=6s", `ttl is given twice: 5s and 6s`},
		{"two modes", "mode=memory&mode=rwc", `mode is given twice: memory and rwc`},
		{"two VFSes", "vfs=holdfast&vfs=os", `vfs is given twice: holdfast and os`},
		{"two of go-sqlite3", "_txlock=deferred&_txlock=immediate", `_txlock is given twice: deferred and immediate`},
		{"booleans", "nolock=OFF&immutable=True", ""},
		{"another VFS", "vfs=memdb", `vfs=memdb would go past the lock: leave it out, or use the driver sqlite3`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			values, err := parseParams(tt.query)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, message(checkParams(values))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Whatever a plain path looks like, the driver opens the file of that very name,
// and so does SQLite under the name that we hand on.
func TestNamesOfFilesOnDisk(t *testing.T) {
	names := []string{"plain.db", "with space.db", "100%.db", "100%25.db", "why?.db", "why?not=1.db", "c#.db", "a+b&c=d;e.db", "ünï.db", "file:x.db", "-.db", "'quote'.db", `"double".db`, "semi;colon", "~", "{}[]|^`.db"}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, name)
			exec(t, open(t, path, Options{}), `CREATE TABLE t (x); INSERT INTO t VALUES (1)`)
			if diff := cmp.Diff([]string{name}, list(t, dir)); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
			src, err := parseSource(path)
			if err != nil {
				t.Fatal(err)
			}
			raw, err := sqlite3.Open(src.String())
			if err != nil {
				t.Fatal(err)
			}
			defer raw.Close()
			if err := raw.Exec(`SELECT x FROM t`); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestRelativeAndUnusualURIs(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	exec(t, open(t, "file:a%20b.db?mode=rwc", Options{}), `CREATE TABLE t (x)`)
	for _, name := range []string{"a b.db", "./a b.db", "file:a%20b.db", "file://" + dir + "/a%20b.db", "file://localhost" + dir + "/a%20b.db", "file:////" + dir + "/a%20b.db"} {
		exec(t, open(t, name, Options{Params: url.Values{"mode": {"rw"}}}), `INSERT INTO t VALUES (1)`)
	}
	if diff := cmp.Diff([]string{"a b.db"}, list(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// Memory and temporary databases are SQLite's own affair.
func TestPrivateDatabases(t *testing.T) {
	for _, name := range []string{"", ":memory:", "file:", "file::memory:", "file:x?mode=memory&cache=shared", "file::memory:?_pragma=foreign_keys(1)", "file:?vfs=holdfast"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			t.Chdir(dir)
			db := open(t, name, Options{})
			db.SetMaxOpenConns(1)
			exec(t, db, `CREATE TABLE t (x); INSERT INTO t VALUES (1)`)
			if got := query[int](t, db, `SELECT count(*) FROM t`); got != 1 {
				t.Errorf("%d rows", got)
			}
			if files := list(t, dir); len(files) > 0 {
				t.Errorf("files were created: %v", files)
			}
		})
	}
	if _, err := Open(":memory:", Options{Lock: "flock"}); err == nil || !strings.Contains(err.Error(), "has no lock") {
		t.Errorf("lock for a memory database: %v", err)
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// list returns the names of the files in a directory.
func list(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
