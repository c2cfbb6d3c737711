package holdfast

import (
	"context"
	"time"

	"github.com/ncruces/go-sqlite3"

	"github.com/holdfastdb/holdfast/vfs"
)

// undoTimeout bounds a wait for somebody else, who would undo it as well.
const undoTimeout = time.Second

// undo has SQLite roll back what a transaction that failed has left, and does it now,
// while the process is likely to have the lease.
func (c *conn) undo() {
	for n := 0; ; n++ {
		schema := c.raw.DBName(n)
		if schema == "" {
			return
		}
		if f := vfs.FileOf(c.raw, schema); f == nil || !f.Unfinished() {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), undoTimeout)
		was := c.raw.SetInterrupt(ctx)
		c.raw.Exec("PRAGMA " + sqlite3.QuoteIdentifier(schema) + ".schema_version") // whoever comes next gets its error
		c.raw.SetInterrupt(was)
		cancel()
	}
}
