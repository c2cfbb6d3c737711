package holdfast

import (
	"database/sql"
	"fmt"
	"testing"
)

// The cost of the driver alone: the database is in memory, so that neither disk
// nor lock is in the way.
func BenchmarkDriver(b *testing.B) {
	for _, driver := range []string{"sqlite3", "holdfast"} {
		db, err := sql.Open(driver, "file::memory:")
		if err != nil {
			b.Fatal(err)
		}
		defer db.Close()
		db.SetMaxOpenConns(1)
		exec(b, db, `CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT)`)
		exec(b, db, `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 1000) INSERT INTO t SELECT i, 'row' || i FROM n`)
		point, err := db.Prepare(`SELECT x FROM t WHERE id = ?`)
		if err != nil {
			b.Fatal(err)
		}
		defer point.Close()
		b.Run("point/"+driver, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				var x string
				if err := point.QueryRow(i%1000 + 1).Scan(&x); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("scan/"+driver, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				rows, err := db.Query(`SELECT id, x FROM t`)
				if err != nil {
					b.Fatal(err)
				}
				n := 0
				for rows.Next() {
					n++
				}
				rows.Close()
				if n != 1000 {
					b.Fatal(fmt.Errorf("%d rows: %w", n, rows.Err()))
				}
			}
		})
		b.Run("begin-commit/"+driver, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				tx, err := db.Begin()
				if err != nil {
					b.Fatal(err)
				}
				if err := tx.Commit(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
