package holdfast

import (
	"context"
	"database/sql/driver"
	"slices"
	"sync"

	"github.com/ncruces/go-sqlite3"
	sqlite3driver "github.com/ncruces/go-sqlite3/driver"

	"github.com/holdfastdb/holdfast/vfs"
)

// A conn is one connection of the pool: go-sqlite3's own, and what it lacks.
//
// database/sql uses a connection from one goroutine at a time, but closes
// statements of an idle one, and another process may ask for an idle one to be
// closed. So mu guards whatever happens to a connection that is idle.
type conn struct {
	innerConn
	raw       *sqlite3.Conn
	world     *world
	main      *vfs.File   // nil if the database has no lock
	met       []*database // those that know this connection
	used      bool        // something was done since it was opened
	queryOnly bool        // it was opened so, and stays so

	mu   sync.Mutex
	idle bool // lies in the pool; guarded by mu
	dead bool // was closed while it was idle; guarded by mu
}

// innerConn is what go-sqlite3's connections implement.
type innerConn interface {
	sqlite3driver.Conn
	driver.ExecerContext
	driver.NamedValueChecker
}

var (
	_ innerConn              = (*conn)(nil)
	_ driver.SessionResetter = (*conn)(nil)
	_ driver.Validator       = (*conn)(nil)
	_ driver.Pinger          = (*conn)(nil)
)

func newConn(inner innerConn, w *world) *conn {
	c := &conn{innerConn: inner, raw: inner.Raw(), world: w}
	c.main = vfs.FileOf(c.raw, "main")
	c.meet()
	return c
}

// files are the databases of the connection that have a lock: the main one, and
// those that were attached.
func (c *conn) files(yield func(*vfs.File) bool) {
	if c.main != nil && !yield(c.main) {
		return
	}
	const attached = 2 // 1 is the temporary database
	for n := attached; ; n++ {
		schema := c.raw.DBName(n)
		if schema == "" {
			return
		}
		if f := vfs.FileOf(c.raw, schema); f != nil && !yield(f) {
			return
		}
	}
}

// meet tells the databases of the connection, which may be attached at any time,
// that they may ask for it.
func (c *conn) meet() {
	for f := range c.files {
		d, ours := f.Locker().(*database)
		if ours && d.asks && !slices.Contains(c.met, d) {
			d.join(c)
			c.met = append(c.met, d)
		}
	}
}

// lost reports whether one of the databases is lost, or its file.
func (c *conn) lost() bool {
	for f := range c.files {
		d, ours := f.Locker().(*database)
		if f.Check() != nil || ours && d.broken.Load() {
			return true
		}
	}
	return false
}

// Close may come while the connection lies in the pool.
func (c *conn) Close() error {
	for _, d := range c.met {
		d.part(c)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle, c.dead = false, true
	err := c.innerConn.Close()
	if c.world != nil {
		c.world.leave()
		c.world = nil
	}
	return c.explain(context.Background(), err)
}

// pragma returns the value of a pragma that reads no file.
func (c *conn) pragma(name string) (value string, err error) {
	s, _, err := c.raw.Prepare("PRAGMA " + name)
	if err != nil {
		return "", err
	}
	if s.Step() {
		value = s.ColumnText(0)
	}
	return value, s.Close()
}

// Raw returns the connection of go-sqlite3. See [sqlite3driver.Conn].
func (c *conn) Raw() *sqlite3.Conn {
	c.used = true
	return c.raw
}

// Ping does nothing but count as a use. Opening may have taken a lock that the
// connection keeps, as _pragma=journal_mode(wal) does: from here on it gives way.
func (c *conn) Ping(context.Context) error {
	c.used = true
	return nil
}

func (c *conn) Prepare(query string) (driver.Stmt, error) {
	return c.PrepareContext(context.Background(), query)
}

func (c *conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	c.used = true
	if blank(query) {
		return emptyStmt{}, nil // go-sqlite3 panics when it is run
	}
	s, err := c.innerConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, c.explain(ctx, err)
	}
	return &stmt{innerStmt: s.(innerStmt), c: c}, nil
}

func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.used = true
	r, err := c.innerConn.ExecContext(ctx, query, args)
	return r, c.ended(ctx, err)
}

func (c *conn) Begin() (driver.Tx, error) {
	return c.BeginTx(context.Background(), driver.TxOptions{})
}

func (c *conn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	c.used = true
	t, err := c.innerConn.BeginTx(ctx, opts)
	if err != nil {
		return nil, c.explain(ctx, err)
	}
	return &tx{Tx: t, c: c, ctx: ctx, readOnly: opts.ReadOnly}, nil
}

// ResetSession is called when the connection is taken out of the pool. One that
// was closed meanwhile or lost its database is replaced: nothing was run on it, so
// database/sql may take another.
func (c *conn) ResetSession(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle = false
	if c.dead || c.lost() {
		return driver.ErrBadConn
	}
	return nil
}

// IsValid is called when the connection is put back into the pool. One that lost
// its database, or that another process waits for, is closed instead.
func (c *conn) IsValid() bool {
	if !c.used {
		// It may come out again without a ResetSession, and keeps no lock yet.
		return true
	}
	if c.lost() {
		return false
	}
	c.undo()
	c.meet()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range c.met {
		if d.isAsked() && c.obstructs(d) {
			return false
		}
	}
	c.idle = true
	return true
}
