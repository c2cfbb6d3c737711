package holdfast

import (
	"database/sql"
	"errors"
	"math"
	"net/url"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/ncruces/go-sqlite3"
)

// local opens a database on a local disk, with the lock of the kernel.
func local(t testing.TB, params ...string) *sql.DB {
	t.Helper()
	_, o := lease(t, params...)
	o.Lock = "flock"
	o.Params.Del("poll")
	return open(t, filepath.Join(t.TempDir(), "app.db"), o)
}

type opener = func(t testing.TB, params ...string) *sql.DB

// alike runs a test with this driver and with go-sqlite3's own, which is so shown
// to behave the same.
func alike(t *testing.T, test func(*testing.T, opener)) {
	t.Run("holdfast", func(t *testing.T) { test(t, local) })
	t.Run("sqlite3", func(t *testing.T) {
		test(t, func(t testing.TB, params ...string) *sql.DB {
			_, o := lease(t, params...)
			o.Params.Del("poll")
			src := source{filepath.Join(t.TempDir(), "app.db"), o.Params}
			db, err := sql.Open("sqlite3", src.String())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { db.Close() })
			return db
		})
	})
}

func TestParametersOfGoSQLite3(t *testing.T) { alike(t, testParametersOfGoSQLite3) }

func testParametersOfGoSQLite3(t *testing.T, local opener) {
	db := local(t, "_pragma", "busy_timeout(1234)", "_pragma", "cache_size(-77)", "_pragma", "journal_mode(truncate)")
	if got := query[int](t, db, `PRAGMA busy_timeout`); got != 1234 {
		t.Errorf("busy_timeout is %d", got)
	}
	if got := query[int](t, db, `PRAGMA cache_size`); got != -77 {
		t.Errorf("cache_size is %d", got)
	}
	if got := query[string](t, db, `PRAGMA journal_mode`); got != "truncate" {
		t.Errorf("journal_mode is %s", got)
	}
	if got := query[int](t, local(t), `PRAGMA busy_timeout`); got != 60_000 {
		t.Errorf("busy_timeout is %d without any pragma", got)
	}
	if got := query[int](t, local(t, "_pragma", "foreign_keys(1)"), `PRAGMA busy_timeout`); got != 0 {
		t.Errorf("busy_timeout is %d with another pragma", got)
	}
	err := local(t, "_pragma", "busy_timeout 1000").Ping()
	if want := `sqlite3: invalid _pragma: sqlite3: SQL logic error: near "1000": syntax error`; message(err) != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestTimeFormats(t *testing.T) { alike(t, testTimeFormats) }

func testTimeFormats(t *testing.T, local opener) {
	when := time.Date(2022, 2, 22, 22, 22, 22, 0, time.UTC)
	for format, stored := range map[string]string{
		"auto":     "2022-02-22T22:22:22Z",
		"sqlite":   "2022-02-22 22:22:22",
		"rfc3339":  "2022-02-22T22:22:22Z",
		time.ANSIC: "Tue Feb 22 22:22:22 2022",
	} {
		t.Run(format, func(t *testing.T) {
			db := local(t, "_timefmt", format)
			exec(t, db, `CREATE TABLE t (at DATETIME)`)
			exec(t, db, `INSERT INTO t VALUES (?)`, when)
			if got := query[time.Time](t, db, `SELECT at FROM t`); !got.Equal(when) {
				t.Errorf("read back as %v", got)
			}
			if got := query[string](t, db, `SELECT CAST(at AS TEXT) || ''  FROM t`); got != stored {
				t.Errorf("stored as %q, want %q", got, stored)
			}
		})
	}
}

func TestArguments(t *testing.T) { alike(t, testArguments) }

func testArguments(t *testing.T, local opener) {
	db := local(t)
	s, err := db.Prepare(`SELECT ?, ?5, :a, @a, $a, ?3`)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	now := time.Now()
	var yes bool
	var at time.Time
	var colon, sign, dollar float64
	var blob []byte
	err = s.QueryRow(true, sql.Named("a", math.Pi), []byte("b"), nil, now).Scan(&yes, &at, &colon, &sign, &dollar, &blob)
	if err != nil {
		t.Fatal(err)
	}
	if !yes || !at.Equal(now) || colon != math.Pi || sign != math.Pi || dollar != math.Pi || string(blob) != "b" {
		t.Errorf("%v %v %v %v %v %q", yes, at, colon, sign, dollar, blob)
	}
	// What only go-sqlite3 knows how to bind.
	if got := query[int](t, db, `SELECT length(?)`, sqlite3.ZeroBlob(10)); got != 10 {
		t.Errorf("a ZeroBlob of 10 has length %d", got)
	}
	if got := query[string](t, db, `SELECT ? ->> 'k'`, sqlite3.JSON(map[string]string{"k": "v"})); got != "v" {
		t.Errorf("JSON gives %q", got)
	}
	if _, err := db.Exec(`SELECT ?`, struct{}{}); err == nil {
		t.Error("a struct was bound")
	}
	if _, err := db.Query(`SELECT ?`); err == nil {
		t.Error("a missing argument was accepted")
	}
}

func TestResults(t *testing.T) { alike(t, testResults) }

func testResults(t *testing.T, local opener) {
	db := local(t)
	exec(t, db, `CREATE TABLE t (id INTEGER PRIMARY KEY, x)`)
	r, err := db.Exec(`INSERT INTO t (x) VALUES (?), (?)`, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	id, _ := r.LastInsertId()
	rows, _ := r.RowsAffected()
	if id != 2 || rows != 2 {
		t.Errorf("last id %d, rows %d, want 2 and 2", id, rows)
	}
	if got := query[int](t, db, `INSERT INTO t (x) VALUES (?) RETURNING id`, 3); got != 3 {
		t.Errorf("RETURNING gives %d, want 3", got)
	}
	if _, err := db.Exec(`INSERT INTO t VALUES (1, 1)`); !errors.Is(err, sqlite3.CONSTRAINT_PRIMARYKEY) {
		t.Errorf("duplicate key: %v", err)
	}
}

func TestColumnTypes(t *testing.T) { alike(t, testColumnTypes) }

func testColumnTypes(t *testing.T, local opener) {
	db := local(t)
	exec(t, db, `CREATE TABLE t (i INTEGER NOT NULL, r REAL, s VARCHAR(10), b BLOB, y BOOLEAN, d DATETIME, a); INSERT INTO t VALUES (1, 1.5, 'x', x'00', 1, '2006-01-02T15:04:05Z', 7)`)
	rows, err := db.Query(`SELECT * FROM t`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	if !rows.Next() {
		t.Fatal(rows.Err())
	}
	types, err := rows.ColumnTypes()
	if err != nil {
		t.Fatal(err)
	}
	type column struct {
		name, decl string
		scan       reflect.Type
	}
	var got []column
	for _, c := range types {
		got = append(got, column{c.Name(), c.DatabaseTypeName(), c.ScanType()})
	}
	if nullable, ok := types[0].Nullable(); nullable || !ok {
		t.Errorf("NOT NULL column: nullable %v, known %v", nullable, ok)
	}
	want := []column{
		{"i", "INTEGER", reflect.TypeFor[int64]()},
		{"r", "REAL", reflect.TypeFor[float64]()},
		{"s", "VARCHAR", reflect.TypeFor[string]()},
		{"b", "BLOB", reflect.TypeFor[[]byte]()},
		{"y", "BOOLEAN", reflect.TypeFor[bool]()},
		{"d", "DATETIME", reflect.TypeFor[time.Time]()},
		{"a", "", reflect.TypeFor[int64]()},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(column{}), cmp.Comparer(func(a, b reflect.Type) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestStatementsThatAreNone(t *testing.T) {
	db := local(t)
	for _, text := range []string{"", ";", " \t\r\n", "-- comment", "/* comment", "/* a */ -- b\n ;;", "\x00SELECT"} {
		if _, err := db.Exec(text); err != nil {
			t.Errorf("exec %q: %v", text, err)
		}
		rows, err := db.Query(text)
		if err != nil {
			t.Errorf("query %q: %v", text, err)
			continue
		}
		if rows.Next() || rows.Err() != nil {
			t.Errorf("query %q has rows, or %v", text, rows.Err())
		}
		rows.Close()
		if _, err := db.Exec(text, 1); err == nil {
			t.Errorf("exec %q with an argument succeeded", text)
		}
	}
	if got := query[int](t, db, "/**/ -- x\n SELECT 7"); got != 7 {
		t.Errorf("the statement after a comment gives %d", got)
	}
	for text, want := range map[string]string{
		"SELECT":             "sqlite3: SQL logic error: incomplete input",
		"SELECT 1; SELECT 2": "sqlite3: multiple statements",
		"/ SELECT":           `sqlite3: SQL logic error: near "/": syntax error`,
	} {
		if _, err := db.Prepare(text); message(err) != want {
			t.Errorf("prepare %q: %v, want %s", text, err, want)
		}
	}
}

func TestInit(t *testing.T) {
	calls := 0
	db := open(t, filepath.Join(t.TempDir(), "app.db"), Options{Init: func(c *sqlite3.Conn) error {
		calls++
		return c.CreateFunction("seven", 0, sqlite3.DETERMINISTIC, func(ctx sqlite3.Context, _ ...sqlite3.Value) { ctx.ResultInt(7) })
	}})
	if got := query[int](t, db, `SELECT seven()`); got != 7 || calls != 1 {
		t.Errorf("%d after %d calls", got, calls)
	}
	oops := errors.New("oops")
	db = open(t, filepath.Join(t.TempDir(), "app.db"), Options{Init: func(*sqlite3.Conn) error { return oops }})
	if err := db.Ping(); !errors.Is(err, oops) {
		t.Errorf("error of Init: %v", err)
	}
}

func TestOpenThroughDatabaseSQL(t *testing.T) {
	dir := t.TempDir()
	db, err := sql.Open("holdfast", "file:"+url.PathEscape(filepath.Join(dir, "app.db"))+"?lock=leasefile&ttl=5s&_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	exec(t, db, `CREATE TABLE t (x)`)
	if got := query[int](t, db, `SELECT count(*) FROM t`); got != 0 {
		t.Errorf("%d rows", got)
	}
	if diff := cmp.Diff([]string{"app.db", "app.db-journal", "app.db.holdfast", "app.db.lease"}, list(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if _, err := sql.Open("holdfast", "file:app.db?lock=nothing"); err == nil {
		t.Error("sql.Open accepts an unknown lock")
	}
	if _, err := db.Driver().Open("file:app.db?lock=nothing"); err == nil {
		t.Error("Driver.Open accepts an unknown lock")
	}
}
