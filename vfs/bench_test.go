package vfs

import (
	"path/filepath"
	"testing"

	"github.com/ncruces/go-sqlite3"
)

// Each workload on go-sqlite3's own VFS and on this one with kernel locks. Compare
// medians of interleaved runs: -count 10.
func BenchmarkVFS(b *testing.B) {
	for _, w := range []struct {
		name, setup, work string
		rows              bool
	}{
		{"insert", "CREATE TABLE t(x INTEGER PRIMARY KEY, y); BEGIN", "INSERT INTO t(y) VALUES (randomblob(100))", false},
		{"commit", "CREATE TABLE t(x INTEGER PRIMARY KEY, y)", "INSERT INTO t(y) VALUES (randomblob(100))", false},
		{"commit without sync", "PRAGMA synchronous=off; CREATE TABLE t(x INTEGER PRIMARY KEY, y)", "INSERT INTO t(y) VALUES (randomblob(100))", false},
		{"commit wal", "PRAGMA journal_mode=wal; CREATE TABLE t(x INTEGER PRIMARY KEY, y)", "INSERT INTO t(y) VALUES (randomblob(100))", false},
		{"point read", thousandRows, "SELECT y FROM t WHERE x=1+abs(random())%1000", true},
		{"scan", thousandRows + "PRAGMA cache_size=5", "SELECT sum(length(y)) FROM t", true},
	} {
		for _, v := range []string{"os", "holdfast"} {
			b.Run(w.name+"/"+v, func(b *testing.B) {
				name := v
				if v != "os" {
					name = register(b, nil, flocks)
				}
				conn := connect(b, name, filepath.Join(b.TempDir(), "app.db"), "")
				run(b, conn, w.setup)
				stmt, _, err := conn.Prepare(w.work)
				if err != nil {
					b.Fatal(err)
				}
				defer stmt.Close()
				for b.Loop() {
					step(b, stmt)
				}
			})
		}
	}
}

func step(b *testing.B, stmt *sqlite3.Stmt) {
	for stmt.Step() {
	}
	if err := stmt.Reset(); err != nil {
		b.Fatal(err)
	}
}
