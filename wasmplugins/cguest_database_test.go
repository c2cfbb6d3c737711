package wasmplugins

import (
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/holdfastdb/holdfast"
)

// A database is opened with the plugin dir as its lock, as README.md has it.
func TestDirDatabase(t *testing.T) {
	dir := t.TempDir()
	plugin, err := filepath.Abs(dirPlugin)
	if err != nil {
		t.Fatal(err)
	}
	params := url.Values{"lock": {"wasm://" + plugin + "?dir=" + dir}}
	for i := range 2 {
		db, err := sql.Open("holdfast", "file:"+dir+"/app.db?"+params.Encode())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		for _, text := range []string{"CREATE TABLE IF NOT EXISTS t (i)", "INSERT INTO t VALUES (1)"} {
			if _, err := db.Exec(text); err != nil {
				t.Fatal(err)
			}
		}
		var rows int
		if err := db.QueryRow("SELECT count(*) FROM t").Scan(&rows); rows != i+1 || err != nil {
			t.Fatalf("%d rows, %v", rows, err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		files := namesIn(t, filepath.Join(dir, "app.db.lock"))
		if len(files) != 2 || !strings.HasSuffix(files[0], ".token") {
			t.Errorf("the lock has the files %q", files)
		}
		if value, err := os.ReadFile(filepath.Join(dir, "app.db.lock", files[1])); !strings.Contains(string(value), "epoch") || err != nil {
			t.Errorf("the record is %q, %v", value, err)
		}
	}
}
