package wasmplugins

import (
	"database/sql"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/afero"
)

// Both file systems, to be compared within one run.
var bothFS = []string{"native", "cipherfs"}

func benchFS(b *testing.B, kind, dir string) afero.Fs {
	if kind == "native" {
		return afero.NewOsFs()
	}
	return cipherfs(b, dir, someKey)
}

// A page that is read at random, from what the kernel has in memory; and one that is
// written over.
func BenchmarkFSPage(b *testing.B) {
	const pages = 4096
	for _, kind := range bothFS {
		dir := b.TempDir()
		f, err := benchFS(b, kind, dir).OpenFile(filepath.Join(dir, "app.db"), os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		page := make([]byte, 4096)
		for n := range int64(pages) {
			if _, err := f.WriteAt(page, n*4096); err != nil {
				b.Fatal(err)
			}
		}
		rng := rand.New(rand.NewPCG(1, 2))
		b.Run("read/"+kind, func(b *testing.B) {
			b.SetBytes(4096)
			for b.Loop() {
				if _, err := f.ReadAt(page, rng.Int64N(pages)*4096); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("write/"+kind, func(b *testing.B) {
			b.SetBytes(4096)
			for b.Loop() {
				if _, err := f.WriteAt(page, rng.Int64N(pages)*4096); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// What a call into the file system's plugin costs without any bytes.
func BenchmarkFSCall(b *testing.B) {
	dir := b.TempDir()
	f, err := benchFS(b, "cipherfs", dir).OpenFile(filepath.Join(dir, "app.db"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	for b.Loop() {
		if _, err := f.ReadAt(make([]byte, 0, 1)[:1], 1<<30); err == nil {
			b.Fatal("read beyond the end")
		}
	}
}

// benchDatabases opens the same database in both file systems, under a lease file.
func benchDatabases(b *testing.B, params string) map[string]*sql.DB {
	b.Setenv(keyVariable, someKey)
	databases := map[string]*sql.DB{}
	for _, kind := range bothFS {
		path := filepath.Join(b.TempDir(), "app.db")
		name := "file:" + filepath.ToSlash(path) + "?mode=rwc&lock=leasefile"
		if kind == "cipherfs" {
			name = cipherName(b, path, "leasefile")
		}
		db := openName(b, name+params)
		db.SetMaxOpenConns(1)
		execute(b, db, `CREATE TABLE t(id INTEGER PRIMARY KEY, text TEXT)`,
			`WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c WHERE n<20000)
			INSERT INTO t SELECT n, hex(randomblob(150)) FROM c`)
		databases[kind] = db
	}
	return databases
}

// Rows by key: when the pages are in SQLite's cache, and when most have to be read.
func BenchmarkFSSelect(b *testing.B) {
	for name, params := range map[string]string{"cached": "&_pragma=cache_size(-32000)", "read": "&_pragma=cache_size(20)"} {
		databases := benchDatabases(b, params)
		for _, kind := range bothFS {
			b.Run(name+"/"+kind, func(b *testing.B) {
				text := ""
				for b.Loop() {
					if err := databases[kind].QueryRow(`SELECT text FROM t WHERE id = ?`, 1+rand.IntN(20000)).Scan(&text); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// Small commits, which are synced.
func BenchmarkFSCommit(b *testing.B) {
	for _, mode := range []string{"delete", "wal"} {
		databases := benchDatabases(b, "&_pragma=journal_mode("+mode+")")
		for _, kind := range bothFS {
			b.Run(mode+"/"+kind, func(b *testing.B) {
				for b.Loop() {
					if _, err := databases[kind].Exec(`UPDATE t SET text = hex(randomblob(150)) WHERE id = ?`, 1+rand.IntN(20000)); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
