package sqltext

import (
	"slices"
	"testing"

	"github.com/ncruces/go-sqlite3"
)

func TestKeywordsAreSorted(t *testing.T) {
	if !slices.IsSorted(Keywords) {
		t.Error("Keywords are not sorted, so that Name cannot find them")
	}
}

// TestName has SQLite read each name back.
func TestName(t *testing.T) {
	conn, err := sqlite3.Open(":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	names := append([]string{"a", "_a1", "1a", "a b", `a"b`, "a'b", "é", "a$", "", "[a]", "a;b", "select"}, Keywords...)
	for _, name := range names {
		stmt, _, err := conn.Prepare("SELECT 1 AS " + Name(name))
		if err != nil {
			t.Errorf("%q as %s: %v", name, Name(name), err)
			continue
		}
		if got := stmt.ColumnName(0); got != name {
			t.Errorf("%q as %s is read as %q", name, Name(name), got)
		}
		stmt.Close()
	}
	if got := Name("plain_1"); got != "plain_1" {
		t.Errorf("Name(plain_1) = %s, want it bare", got)
	}
}
