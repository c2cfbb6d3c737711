package dump

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ncruces/go-sqlite3"
)

// tricky has one of everything that a dump can get wrong.
const tricky = `
CREATE TABLE plain(id INTEGER PRIMARY KEY, "a b" TEXT, "select" REAL, b BLOB, any);
INSERT INTO plain VALUES(1, 'it''s', 1.0, x'00ff', NULL);
INSERT INTO plain VALUES(2, 'two' || char(10) || 'lines \n' || char(13) || 'cr', 0.1, x'', 'text');
INSERT INTO plain VALUES(3, 'a' || char(0) || 'b' || char(0), 9e999, zeroblob(3), -9e999);
INSERT INTO plain VALUES(-9223372036854775808, '', 1e-300, CAST('x' AS BLOB), 9223372036854775807);
INSERT INTO plain VALUES(5, CAST(x'61ff00' AS TEXT), 123456789012345678.0, x'0a', 1.0);
INSERT INTO plain VALUES(6, '.quit' || char(10) || '.exit', -0.5, 'text in blob', '1');
CREATE TABLE "odd ""name"(x);
INSERT INTO "odd ""name" VALUES(1);
CREATE TABLE counted(id INTEGER PRIMARY KEY AUTOINCREMENT, v);
INSERT INTO counted(v) VALUES('a'), ('b'), ('c');
DELETE FROM counted WHERE id = 3;
CREATE TABLE counted2(id INTEGER PRIMARY KEY AUTOINCREMENT);
INSERT INTO counted2 VALUES(7);
UPDATE sqlite_sequence SET seq = 2 WHERE name = 'counted2';
CREATE TABLE keyed(a TEXT, b, PRIMARY KEY(a, b)) WITHOUT ROWID;
INSERT INTO keyed VALUES('k', 1), ('k', 2);
CREATE TABLE strictly(i INTEGER, t TEXT, a ANY) STRICT;
INSERT INTO strictly VALUES(1, 'x', 2.5);
CREATE TABLE computed(a, b AS (a * 2), c AS (a || 'x') STORED, d);
INSERT INTO computed(a, d) VALUES(21, 'd');
CREATE TABLE child(p REFERENCES parent(id));
CREATE TABLE parent(id INTEGER PRIMARY KEY);
INSERT INTO parent VALUES(1);
INSERT INTO child VALUES(1);
CREATE INDEX by_text ON plain("a b" COLLATE NOCASE) WHERE any IS NOT NULL;
CREATE VIEW seen AS SELECT id, "a b" FROM plain WHERE id > 0;
CREATE TABLE log(what);
CREATE TRIGGER noted AFTER INSERT ON keyed BEGIN INSERT INTO log VALUES('k;' || new.b); END;
INSERT INTO keyed VALUES('z', 3);
ANALYZE;
PRAGMA user_version = 7;
PRAGMA application_id = 42;
`

func open(t *testing.T, path string) *sqlite3.Conn {
	t.Helper()
	conn, err := sqlite3.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func execute(t *testing.T, conn *sqlite3.Conn, sql string) {
	t.Helper()
	if err := conn.Exec(sql); err != nil {
		t.Fatal(err)
	}
}

// content is everything that must survive: schema, numbers, and each value with
// its storage class and bytes.
func content(t *testing.T, conn *sqlite3.Conn) []string {
	t.Helper()
	all := texts(t, conn, `SELECT type||' '||name||' '||tbl_name||' '||coalesce(sql,'') FROM sqlite_schema WHERE name NOT LIKE 'sqlite_autoindex%' AND name<>'sqlite_stat4' ORDER BY 1`)
	all = append(all, texts(t, conn, `PRAGMA encoding`)...)
	all = append(all, texts(t, conn, `PRAGMA user_version`)...)
	all = append(all, texts(t, conn, `PRAGMA application_id`)...)
	for _, table := range texts(t, conn, `SELECT name FROM sqlite_schema WHERE type='table' AND name<>'sqlite_stat4' ORDER BY 1`) {
		var fields []string
		for _, column := range texts(t, conn, `SELECT name FROM pragma_table_xinfo(`+sqlite3.Quote(table)+`) WHERE hidden IN (0,2,3)`) {
			c := sqlite3.QuoteIdentifier(column)
			fields = append(fields, fmt.Sprintf(`typeof(%[1]s)||':'||hex(CAST(%[1]s AS BLOB))`, c))
		}
		for _, row := range texts(t, conn, `SELECT `+strings.Join(fields, `||' '||`)+` FROM `+sqlite3.QuoteIdentifier(table)+` ORDER BY 1`) {
			all = append(all, table+" "+row)
		}
	}
	return all
}

func texts(t *testing.T, conn *sqlite3.Conn, sql string) []string {
	t.Helper()
	stmt, _, err := conn.Prepare(sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	defer stmt.Close()
	var all []string
	for stmt.Step() {
		all = append(all, stmt.ColumnText(0))
	}
	if err := stmt.Err(); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return all
}

// sources are databases to dump.
var sources = map[string]string{
	"tricky":    tricky,
	"empty":     "",
	"UTF-16":    "PRAGMA encoding='UTF-16le'; CREATE TABLE t(a); INSERT INTO t VALUES('ünï' || char(0) || char(10)), ('日本');",
	"only view": "CREATE VIEW v AS SELECT 1 AS one;",
}

func TestRoundTrip(t *testing.T) {
	for name, sql := range sources {
		t.Run(name, func(t *testing.T) {
			source := open(t, ":memory:")
			execute(t, source, sql)
			var b bytes.Buffer
			if err := Write(&b, source); err != nil {
				t.Fatal(err)
			}
			want := content(t, source)
			t.Run("loaded by go-sqlite3", func(t *testing.T) {
				loaded := open(t, ":memory:")
				execute(t, loaded, `PRAGMA foreign_keys=ON`)
				execute(t, loaded, b.String())
				if diff := cmp.Diff(want, content(t, loaded)); diff != "" {
					t.Errorf("content (-want +got):\n%s", diff)
				}
			})
			t.Run("loaded by sqlite3", func(t *testing.T) {
				loaded := open(t, loadStock(t, b.String()))
				if diff := cmp.Diff(want, content(t, loaded)); diff != "" {
					t.Errorf("content (-want +got):\n%s", diff)
				}
				if got := texts(t, loaded, `PRAGMA integrity_check`); got[0] != "ok" {
					t.Errorf("integrity_check = %q", got)
				}
			})
		})
	}
}

// loadStock has the stock sqlite3 program load a dump, and returns the database.
func loadStock(t *testing.T, sql string) string {
	t.Helper()
	program, err := exec.LookPath("sqlite3")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("sqlite3 is not installed, and CI must try it")
		}
		t.Skip("sqlite3 is not installed: what it makes of a dump was not tried")
	}
	path := filepath.Join(t.TempDir(), "loaded.db")
	cmd := exec.Command(program, "-bail", path)
	cmd.Stdin = strings.NewReader(sql)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sqlite3: %v\n%s", err, out)
	}
	return path
}

// TestVirtualTable dumps a database whose virtual table go-sqlite3 has no module
// for, and has the program that has it search the copy.
func TestVirtualTable(t *testing.T) {
	path := loadStock(t, `CREATE VIRTUAL TABLE found USING fts5(body);
		INSERT INTO found VALUES('let go'), ('hold fast');
		CREATE TABLE after(x);`)
	var b bytes.Buffer
	if err := Write(&b, open(t, path)); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("sqlite3", loadStock(t, b.String()),
		`SELECT rowid, body FROM found WHERE found MATCH 'hold'; INSERT INTO found(found) VALUES('integrity-check'); PRAGMA integrity_check`).CombinedOutput()
	if want := "2|hold fast\nok\n"; err != nil || string(out) != want {
		t.Errorf("the copy says %q (%v), want %q", out, err, want)
	}
}

// TestFloats: each number comes back with the very same bits.
func TestFloats(t *testing.T) {
	source := open(t, ":memory:")
	execute(t, source, `CREATE TABLE f(id INTEGER PRIMARY KEY, v REAL)`)
	insert, _, err := source.Prepare(`INSERT INTO f(v) VALUES(?)`)
	if err != nil {
		t.Fatal(err)
	}
	var want []float64
	for _, v := range someFloats() {
		insert.BindFloat(1, v)
		if err := insert.Exec(); err != nil {
			t.Fatal(err)
		}
		want = append(want, v)
	}
	insert.Close()
	var b bytes.Buffer
	if err := Write(&b, source); err != nil {
		t.Fatal(err)
	}
	for name, load := range map[string]func(*testing.T) *sqlite3.Conn{
		"go-sqlite3": func(t *testing.T) *sqlite3.Conn {
			conn := open(t, ":memory:")
			execute(t, conn, b.String())
			return conn
		},
		"sqlite3": func(t *testing.T) *sqlite3.Conn { return open(t, loadStock(t, b.String())) },
	} {
		t.Run(name, func(t *testing.T) {
			stmt, _, err := load(t).Prepare(`SELECT v FROM f ORDER BY id`)
			if err != nil {
				t.Fatal(err)
			}
			defer stmt.Close()
			wrong := 0
			for _, v := range want {
				if !stmt.Step() {
					t.Fatalf("too few rows: %v", stmt.Err())
				}
				if got := stmt.ColumnFloat(0); math.Float64bits(got) != math.Float64bits(v) {
					if wrong++; wrong < 5 {
						t.Errorf("%v came back as %v", v, got)
					}
				}
			}
			if wrong > 0 {
				t.Errorf("%d of %d differ", wrong, len(want))
			}
		})
	}
}

// someFloats are numbers of all magnitudes, and such as people write.
func someFloats() []float64 {
	all := []float64{0, 1, -1, 0.1, 1e15, 1e22, 1e23, 5e-324, -5e-324, math.MaxFloat64, 489286.1412633, 0.00006529, 0.1 + 0.2}
	random := rand.New(rand.NewPCG(1, 2))
	for len(all) < 20000 {
		if v := math.Float64frombits(random.Uint64()); !math.IsNaN(v) && !math.IsInf(v, 0) {
			all = append(all, v)
		}
		all = append(all, float64(random.Int64N(1e12))/math.Pow10(random.IntN(15)))
	}
	return all
}

func TestPatterns(t *testing.T) {
	source := open(t, ":memory:")
	execute(t, source, tricky)
	var b bytes.Buffer
	if err := Write(&b, source, "KEYED", "see%"); err != nil {
		t.Fatal(err)
	}
	got := b.String()
	for _, want := range []string{"CREATE TABLE keyed", "CREATE TRIGGER noted", "CREATE VIEW seen", "INSERT INTO keyed"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "CREATE TABLE plain") || strings.Contains(got, "user_version") {
		t.Errorf("more than was asked for:\n%s", got)
	}
}

// TestFailure: what a broken database gives must not be taken for the whole.
func TestFailure(t *testing.T) {
	path := filepath.Join(t.TempDir(), "broken.db")
	source := open(t, path)
	execute(t, source, `CREATE TABLE a(x); INSERT INTO a VALUES(1); CREATE TABLE b(x); INSERT INTO b VALUES(2);`)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	clear(data[2*4096 : 3*4096]) // the root page of b
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := Write(&b, open(t, path)); err == nil {
		t.Fatal("no error for a database with a broken page")
	}
	if !strings.HasSuffix(b.String(), "ROLLBACK; -- due to errors\n") {
		t.Errorf("the dump does not roll itself back:\n%s", b.String())
	}
	loaded := open(t, ":memory:")
	execute(t, loaded, b.String())
	if got := texts(t, loaded, `SELECT name FROM sqlite_schema`); len(got) > 0 {
		t.Errorf("loading it left %q", got)
	}
}

// A canceller cancels when something is written.
type canceller struct{ cancel func() }

func (c canceller) Write(p []byte) (int, error) { c.cancel(); return len(p), nil }

// TestInterrupted: no transaction stays open, but one that was.
func TestInterrupted(t *testing.T) {
	for _, begin := range []string{"", "BEGIN"} {
		conn := open(t, ":memory:")
		if err := conn.Exec(`CREATE TABLE t(a); INSERT INTO t VALUES(1);` + begin); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		conn.SetInterrupt(ctx)
		if err := Write(canceller{cancel}, conn); !errors.Is(err, sqlite3.INTERRUPT) {
			t.Errorf("Write = %v, want %v", err, sqlite3.INTERRUPT)
		}
		if conn.GetAutocommit() != (begin == "") {
			t.Errorf("after %q a transaction is open: %v", begin, !conn.GetAutocommit())
		}
		if conn.GetInterrupt() != ctx {
			t.Error("the connection can be interrupted no more")
		}
	}
}
