//go:build unix

package examine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ncruces/go-sqlite3"
)

// database makes a database and leaves a connection on it open.
func database(t *testing.T, statements string) (file string, conn *sqlite3.Conn) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "app.db@7-0000000a")
	conn, err := sqlite3.Open("file:" + file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.Exec(statements); err != nil {
		t.Fatal(err)
	}
	return file, conn
}

const many = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 2000) INSERT INTO t SELECT i FROM n;`

// contents are all files beside a database.
func contents(t *testing.T, file string) map[string]string {
	t.Helper()
	all := map[string]string{}
	names, err := filepath.Glob(filepath.Join(filepath.Dir(file), "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = string(data)
	}
	return all
}

// What is found is what SQLite would find after recovery, and nothing is touched: the
// hot journal and the WAL stay.
func TestCheck(t *testing.T) {
	for _, test := range []struct {
		name, make string
		spoil      func(file string) error
		sides      int
		want       string
	}{
		{name: "sound", make: `CREATE TABLE t(a);` + many, want: "ok"},
		{name: "hot journal", make: `CREATE TABLE t(a UNIQUE);` + many + `PRAGMA cache_size=2; BEGIN; UPDATE t SET a=-a`, sides: 1, want: "ok"},
		{name: "WAL", make: `PRAGMA journal_mode=wal; CREATE TABLE t(a);` + many, sides: 2, want: "ok"},
		{name: "half of it", make: `CREATE TABLE t(a);` + many, spoil: func(file string) error { return os.Truncate(file, 8192) },
			want: "sqlite3: database disk image is malformed"},
		{name: "no database", make: `CREATE TABLE t(a)`, spoil: func(file string) error { return os.WriteFile(file, []byte(strings.Repeat("text ", 2000)), 0o600) },
			want: "sqlite3: file is not a database"},
		{name: "empty", make: `CREATE TABLE t(a)`, spoil: func(file string) error { return os.Truncate(file, 0) }, want: "ok"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			file, _ := database(t, test.make)
			if test.spoil != nil {
				if err := test.spoil(file); err != nil {
					t.Fatal(err)
				}
			}
			before := contents(t, file)
			if len(before) != 1+test.sides {
				t.Fatalf("%d files, want %d", len(before), 1+test.sides)
			}
			var last, size int64
			got, err := Check(t.Context(), file, func(copied, total int64) { last, size = copied, total })
			if err != nil || got != test.want {
				t.Errorf("Check is %q, %v, want %q", got, err, test.want)
			}
			if last != size {
				t.Errorf("it ended with %d of %d bytes", last, size)
			}
			if diff := cmp.Diff(before, contents(t, file)); diff != "" {
				t.Errorf("files (-before +after):\n%s", diff)
			}
			if left, _ := os.ReadDir(os.TempDir()); len(left) > 0 {
				t.Errorf("%v is left", left)
			}
		})
	}
}

// Without the journal that belongs to it, the file is torn: Check had to play it back.
func TestCheckNeedsTheJournal(t *testing.T) {
	file, _ := database(t, `CREATE TABLE t(a UNIQUE);`+many+`PRAGMA cache_size=2; BEGIN; UPDATE t SET a=-a`)
	if err := os.Remove(file + "-journal"); err != nil {
		t.Fatal(err)
	}
	if got, err := Check(t.Context(), file, func(int64, int64) {}); err != nil || got == "ok" {
		t.Errorf("Check is %q, %v, want that it is damaged", got, err)
	}
}

func TestCheckThatCannotBe(t *testing.T) {
	file, _ := database(t, `CREATE TABLE t(a);`+many)
	if _, err := Check(t.Context(), file+"x", func(int64, int64) {}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a file: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := Check(ctx, file, func(int64, int64) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "none"))
	if _, err := Check(t.Context(), file, func(int64, int64) {}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a place for the copy: %v", err)
	}
}
