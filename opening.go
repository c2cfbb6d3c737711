package holdfast

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"

	sqlitevfs "github.com/ncruces/go-sqlite3/vfs"
)

// openingParam names, in the URI that a pool hands to SQLite, the context of who opens a
// connection: SQLite asks the VFS for a file before the VFS can know the connection.
const openingParam = "_opening"

var (
	openings   sync.Map // contexts by their number, while a connection is being opened
	openingsNo atomic.Int64
)

// newOpening numbers a context until it is forgotten.
func newOpening(ctx context.Context) (number string, forget func()) {
	number = strconv.FormatInt(openingsNo.Add(1), 10)
	openings.Store(number, ctx)
	return number, func() { openings.Delete(number) }
}

func openingOf(name *sqlitevfs.Filename) context.Context {
	if ctx, ok := openings.Load(name.URIParameter(openingParam)); ok {
		return ctx.(context.Context)
	}
	return context.Background()
}
