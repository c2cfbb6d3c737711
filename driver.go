package holdfast

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"

	// The locks that come with every program.
	_ "github.com/holdfastdb/holdfast/backends/flock"
	_ "github.com/holdfastdb/holdfast/backends/leasefile"
)

func init() {
	sql.Register(driverName, sqlDriver{})
}

// sqlDriver is the database/sql driver.
type sqlDriver struct{}

var _ driver.DriverContext = sqlDriver{}

// Open opens one connection. Nothing of its connector outlives it.
func (sqlDriver) Open(name string) (driver.Conn, error) {
	c, err := newConnector(name, Options{})
	if err != nil {
		return nil, err
	}
	conn, err := c.Connect(context.Background())
	return conn, errors.Join(err, c.Close())
}

func (sqlDriver) OpenConnector(name string) (driver.Connector, error) {
	return newConnector(name, Options{})
}

// Open opens a database, given by its path or by a data source name as for
// sql.Open. Like sql.Open it only checks what it is given: the first use opens
// the file.
func Open(name string, o Options) (*sql.DB, error) {
	c, err := newConnector(name, o)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(c), nil
}
