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
	inner   driver.Connector
	pragmas []string
	init    func(*sqlite3.Conn) error
	world   *world
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
	delete(src.params, "_pragma") // we run them, for the sake of their errors
	if src.private() {
		src.params.Del("vfs")
	} else {
		if o.FS != nil {
			c.world = newWorld(fmt.Sprintf("%s-%d", driverName, worlds.Add(1)), o.FS)
		}
		src.params.Set("vfs", c.world.name)
	}
	c.inner, err = (&sqlite3driver.SQLite{}).OpenConnector(src.String())
	if err != nil {
		c.world.close()
		return nil, fmt.Errorf("holdfast: %q: %w", name, err)
	}
	return c, nil
}

// check refuses parameters before any file is touched.
func (s source) check(o Options) error {
	if err := checkParams(s.params); err != nil {
		return err
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
	c.world.close()
	return nil
}

func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	c.world.enter()
	inner, err := c.inner.Connect(ctx)
	if err != nil {
		c.world.leave()
		return nil, err
	}
	conn := newConn(inner.(innerConn), c.world)
	if err := c.prepare(ctx, conn); err != nil {
		err = conn.explain(ctx, err)
		conn.Close()
		return nil, err
	}
	return conn, nil
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
