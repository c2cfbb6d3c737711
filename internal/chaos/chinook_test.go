//go:build linux

package chaos

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// musicShop returns the path of a copy of the sample database of a music shop, or
// where that is not at hand of a smaller one of the same make.
func musicShop(t *testing.T) string {
	t.Helper()
	shared := os.Getenv(sharedEnv)
	if shared == "" {
		shared = filepath.Join("..", "..", "..", "shared") // beside the repository
	}
	path := database(t)
	data, err := os.ReadFile(filepath.Join(shared, "data", "chinook.db"))
	switch {
	case err == nil:
		if err := os.WriteFile(path, data, 0o666); err != nil {
			t.Fatal(err)
		}
	case errors.Is(err, fs.ErrNotExist) && !realRun():
		makeMusicShop(t, path)
	default:
		t.Fatalf("%s=1 needs the data in %s: %v", realEnv, sharedEnv, err)
	}
	return path
}

func makeMusicShop(t *testing.T, path string) {
	t.Helper()
	a := startAgent(t, dsn(path, "lock", "flock"))
	defer a.end()
	a.must("begin", "")
	a.exec(`CREATE TABLE Artist (ArtistId INTEGER PRIMARY KEY, Name NVARCHAR(120))`)
	a.exec(`CREATE TABLE Playlist (PlaylistId INTEGER PRIMARY KEY, Name NVARCHAR(120))`)
	a.exec(`CREATE TABLE Track (TrackId INTEGER PRIMARY KEY, Name NVARCHAR(200) NOT NULL, ArtistId INTEGER REFERENCES Artist,
		Composer NVARCHAR(220), Milliseconds INTEGER NOT NULL, UnitPrice NUMERIC(10,2) NOT NULL, Cover BLOB)`)
	a.exec(`CREATE TABLE PlaylistTrack (PlaylistId INTEGER, TrackId INTEGER, PRIMARY KEY (PlaylistId, TrackId))`)
	a.exec(`CREATE INDEX IFK_Track ON Track (ArtistId)`)
	a.exec(`INSERT INTO Artist VALUES (1, 'Antônio Carlos Jobim'), (2, 'O''Connor'), (3, NULL)`)
	a.exec(`INSERT INTO Playlist VALUES (1, 'Music'), (2, 'Klassik „leise“')`)
	a.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 900)
		INSERT INTO Track SELECT i, 'Track ' || i, i % 3 + 1, CASE i % 5 WHEN 0 THEN NULL ELSE 'Someone ' || i END, i * 777, 0.99, CASE i % 7 WHEN 0 THEN randomblob(900) END FROM n`)
	a.exec(`INSERT INTO PlaylistTrack SELECT i.PlaylistId, TrackId FROM Track, Playlist i`)
	a.must("commit", "")
	a.must("close", "")
}

// everything returns queries for everything in a database, each with results
// of one column that sqlite3 shows in the same way.
func everything(a *helper) (queries []string) {
	a.t.Helper()
	queries = append(queries, `SELECT type || '|' || name || '|' || coalesce(sql, '') FROM sqlite_schema ORDER BY name`)
	for table := range strings.Lines(a.value(`SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name`)) {
		table = strings.TrimSpace(table)
		columns := a.value(`SELECT group_concat('quote("' || name || '")', '||''|''||') FROM pragma_table_info(?)`, table)
		queries = append(queries, fmt.Sprintf(`SELECT %s AS line FROM "%s" ORDER BY line`, columns, table))
	}
	return append(queries, `PRAGMA integrity_check`)
}

func content(a *helper, queries []string) string {
	a.t.Helper()
	text := ""
	for _, q := range queries {
		text += a.value(q) + "\n"
	}
	return text
}

// sameAsStock fails the test unless sqlite3 reads the same.
func sameAsStock(t *testing.T, path string, queries []string, want string) {
	t.Helper()
	if got, ok := stock(t, path, strings.Join(queries, ";\n")+";"); ok && got != want {
		t.Errorf("sqlite3 reads something else (-holdfast +sqlite3):\n%s", cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")))
	}
}

// Several processes read a database: all of them, and sqlite3, see the same, and
// the file is what it was, byte for byte.
func TestRealDataIsReadUnchanged(t *testing.T) {
	t.Parallel()
	path := musicShop(t)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	var queries []string
	var readers []*helper
	for i := range 3 {
		params := [][]string{nil, {"mode", "ro"}, {"mode", "rw", "sticky", "off"}}[i]
		readers = append(readers, startAgent(t, leased(path, params...)))
	}
	for _, a := range readers {
		queries = everything(a)
		texts = append(texts, content(a, queries))
	}
	for i, text := range texts[1:] {
		if diff := cmp.Diff(strings.Split(texts[0], "\n"), strings.Split(text, "\n")); diff != "" {
			t.Errorf("process %d reads something else than the first (-first +this):\n%s", i+1, diff)
		}
	}
	for _, a := range readers {
		a.must("close", "")
	}
	sameAsStock(t, path, queries, texts[0])
	after, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, after) {
		t.Error("the file is not what it was")
	}
	t.Logf("%d bytes, %d lines of content", len(after), strings.Count(texts[0], "\n"))
}

// Several processes change a database at once, and what sqlite3 then reads is what
// it would have written itself.
func TestRealDataIsUpdatedLikeSQLiteDoes(t *testing.T) {
	t.Parallel()
	path := musicShop(t)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	control := filepath.Join(t.TempDir(), "control.db")
	if err := os.WriteFile(control, data, 0o666); err != nil {
		t.Fatal(err)
	}
	const writers = 3
	statements := lasting(20, 60)
	done := make(chan error, writers)
	for i := range writers {
		a := startAgent(t, leased(path), []wrap{host, containedIfAllowed(t), host}[i])
		go func() {
			var failed error
			for n := range statements {
				for _, sql := range changes(i + writers*n + 1) {
					a.tell(request{Do: "exec", SQL: sql})
					var r reply
					if !a.next(&r) || r.Err != "" {
						failed = errors.Join(failed, fmt.Errorf("%s: %s %s", a, sql, r.Err))
					}
				}
			}
			done <- failed
		}()
	}
	for range writers {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	a := startAgent(t, leased(path))
	queries := everything(a)
	text := content(a, queries)
	a.must("close", "")
	sameAsStock(t, path, queries, text)

	var all strings.Builder
	for n := range writers * statements {
		all.WriteString(strings.Join(changes(n+1), ";\n") + ";\n")
	}
	if _, ok := stock(t, control, all.String()); !ok {
		return
	}
	ours, _ := stock(t, path, ".dump\n")
	theirs, _ := stock(t, control, ".dump\n")
	if ours != theirs {
		t.Errorf("the dumps differ (-sqlite3 +holdfast):\n%s", cmp.Diff(strings.Split(theirs, "\n"), strings.Split(ours, "\n")))
	}
	t.Logf("%d statements by %d processes; a dump of %d bytes", 4*writers*statements, writers, len(ours))
}

// changes are statements about track n alone, which so may come in any order.
func changes(n int) []string {
	return []string{
		fmt.Sprintf(`UPDATE Track SET UnitPrice = UnitPrice + %d, Composer = coalesce(Composer, 'né à Zürich') || ' %d' WHERE TrackId = %d`, n, n, n),
		fmt.Sprintf(`INSERT INTO Playlist (PlaylistId, Name) VALUES (%d, 'list %d')`, 1000+n, n),
		fmt.Sprintf(`DELETE FROM PlaylistTrack WHERE TrackId = %d`, n),
		fmt.Sprintf(`INSERT INTO PlaylistTrack (rowid, PlaylistId, TrackId) VALUES (%d, %d, %d)`, 100_000+n, 1000+n, n),
	}
}
