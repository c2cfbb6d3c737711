package holdfast

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ncruces/go-sqlite3"
	sqlite3driver "github.com/ncruces/go-sqlite3/driver"
	"github.com/spf13/afero"
)

// A connector opens the connections of one pool.
type connector struct {
	src     source
	pragmas []string
	init    func(*sqlite3.Conn) error
	world   *world
	late    *lateWorld // instead of world, if the data source name chooses a file system
}

func newConnector(name string, o Options) (*connector, error) {
	src, err := o.source(name)
	if err != nil {
		return nil, err
	}
	if err := src.check(o); err != nil {
		return nil, fmt.Errorf("holdfast: %q: %w", name, err)
	}
	c := &connector{pragmas: src.params["_pragma"], init: o.Init, world: common}
	delete(src.params, "_pragma")            // we run them, for the sake of their errors
	src.params.Set("vfs", c.enclose(src, o)) // a private database has no use for it, but ATTACH does
	c.src = src
	_, err = (&sqlite3driver.SQLite{}).OpenConnector(src.String())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("holdfast: %q: %w", name, err), c.Close())
	}
	return c, nil
}

// enclose gives the pool a world of its own, if its files are not those of the machine,
// and returns the name of its VFS.
func (c *connector) enclose(src source, o Options) string {
	if chosen, _ := chooseFS(src.params); chosen != nil { // it was checked
		src.params.Del("fs")
		c.world, c.late = nil, newLateWorld(chosen)
		return c.late.name
	}
	if o.FS != nil {
		c.world = newWorld(nextWorld(), o.FS)
	}
	return c.world.name
}

// check refuses parameters before any file is touched.
func (s source) check(o Options) error {
	if err := checkParams(s.params); err != nil {
		return err
	}
	chosen, err := chooseFS(s.params)
	switch {
	case err != nil:
		return err
	case chosen != nil && o.FS != nil:
		return errTwoFS
	case chosen != nil && s.private():
		return errNoFS
	}
	if s.private() {
		if len(lockSettings(s.params)) > 0 || s.params.Has("lock") {
			return errors.New("a database in memory or a temporary one has no lock: leave the parameters of the lock out")
		}
		return nil
	}
	choice, err := chooseLock(s.params)
	if err != nil {
		return err
	}
	if choice.automatic() && chosen != nil {
		return errAutoFS
	}
	if choice.automatic() && o.FS != nil && !isOS(o.FS) {
		return errors.New("what lock suits this file system cannot be told: set Options.Lock")
	}
	return nil
}

func isOS(fs afero.Fs) bool {
	switch fs.(type) {
	case afero.OsFs, *afero.OsFs:
		return true
	}
	return false
}

func (c *connector) Driver() driver.Driver { return sqlDriver{} }

// Close is called by [sql.DB.Close].
func (c *connector) Close() error {
	if c.late != nil {
		return c.late.close()
	}
	return c.world.close()
}

// enter returns the world for one more connection, which is to leave it.
func (c *connector) enter(ctx context.Context) (*world, error) {
	if c.late != nil {
		return c.late.enter(ctx)
	}
	c.world.enter()
	return c.world, nil
}

func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	w, err := c.enter(ctx)
	if err != nil {
		return nil, err
	}
	inner, err := c.dial(ctx)
	if err != nil {
		w.leave()
		return nil, err
	}
	conn := newConn(inner.(innerConn), w)
	if err := c.prepare(ctx, conn); err != nil {
		err = conn.explain(ctx, err)
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// dial opens a connection of go-sqlite3, for no longer than ctx.
func (c *connector) dial(ctx context.Context) (driver.Conn, error) {
	number, forget := newOpening(ctx)
	defer forget()
	name := c.src.String() + "&" + openingParam + "=" + number
	inner, err := (&sqlite3driver.SQLite{}).OpenConnector(name)
	if err != nil {
		return nil, err
	}
	conn, err := inner.Connect(ctx)
	if err != nil {
		err = andEnd(ctx, err)
	}
	return conn, err
}

// prepare does to a new connection what go-sqlite3's driver would: in the order
// of the data source name, since keys and timeouts must come first.
func (c *connector) prepare(ctx context.Context, conn *conn) error {
	defer conn.raw.SetInterrupt(conn.raw.SetInterrupt(ctx))
	timeout := time.Duration(0)
	if len(c.pragmas) == 0 {
		timeout = time.Minute
	}
	if err := conn.raw.BusyTimeout(timeout); err != nil {
		return err
	}
	if len(c.pragmas) > 0 {
		if err := conn.raw.Exec("PRAGMA " + strings.Join(c.pragmas, "; PRAGMA ")); err != nil {
			return fmt.Errorf("sqlite3: invalid _pragma: %w", err)
		}
	}
	if c.init != nil {
		if err := c.init(conn.raw); err != nil {
			return err
		}
	}
	if len(c.pragmas) == 0 && c.init == nil {
		return nil
	}
	mode, err := conn.pragma("query_only")
	conn.queryOnly = mode == "1"
	return err
}
