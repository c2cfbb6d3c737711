package holdfast

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ncruces/go-sqlite3"
	"github.com/spf13/afero"

	"github.com/holdfastdb/holdfast/vfs/vfstest"
)

// What a transaction has left that filled the disk is undone when its connection goes
// back to its pool, or is closed by it, and before anybody needs room.
func TestFullDiskIsUndoneAtOnce(t *testing.T) {
	for _, end := range []string{"put back", "closed"} {
		t.Run(end, func(t *testing.T) {
			path, o := lease(t, "_pragma", "cache_size(5)")
			full := false
			o.FS = vfstest.Faulty(afero.NewOsFs(), func(op vfstest.Op) error {
				if full && op.Kind == "write" && op.Name == path {
					full = false // what is to be undone needs no room
					return syscall.ENOSPC
				}
				return nil
			})
			db := open(t, path, o)
			exec(t, db, `CREATE TABLE t (x)`)
			exec(t, db, `WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i+1 FROM n WHERE i < 50) INSERT INTO t SELECT zeroblob(3000) FROM n`)
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			conn, err := db.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			full = true
			_, err = conn.ExecContext(t.Context(), `UPDATE t SET x = randomblob(3000)`)
			if !errors.Is(err, sqlite3.FULL) || full {
				t.Fatalf("error is %v", err)
			}
			if end == "closed" {
				db.SetMaxIdleConns(-1)
			}
			if err := conn.Close(); err != nil {
				t.Fatal(err)
			}
			journal, err := os.ReadFile(path + "-journal")
			if len(journal) > 0 && strings.Trim(string(journal[:1]), "\x00") != "" {
				t.Errorf("there is a journal to be played back, %v", err)
			}
			after, err := os.ReadFile(path)
			if diff := cmp.Diff(before, after); diff != "" || err != nil {
				t.Errorf("the database is not as it was: %v", err)
			}
		})
	}
}
