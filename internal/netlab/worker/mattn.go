//go:build mattn

package main

import (
	"context"
	"database/sql/driver"
	"errors"
	"maps"
	"net/url"
	"strconv"

	"github.com/mattn/go-sqlite3"
	ncruces "github.com/ncruces/go-sqlite3"

	"github.com/holdfastdb/holdfast/internal/netlab/workload"
)

// It needs a C compiler, and another name for one of two drivers that both register
// themselves as sqlite3: see [workload.StockLink].
func init() {
	stock[workload.Mattn] = stockDriver{connect: opener(&sqlite3.SQLiteDriver{}), dsn: mattnDSN}
	codesOf = append(codesOf, func(err error) ncruces.ErrorCode {
		var e sqlite3.Error
		if errors.As(err, &e) {
			return ncruces.ErrorCode(e.Code)
		}
		return 0
	})
}

// mattnDSN is one of mattn's driver, which runs its pragmas in the same order.
func mattnDSN(o workload.Open) string {
	params := url.Values{}
	maps.Copy(params, o.Params)
	params.Set("_busy_timeout", strconv.FormatInt(busy(o).Milliseconds(), 10))
	for key, value := range map[string]string{"_journal_mode": o.Journal, "_synchronous": o.Synchronous} {
		if value != "" {
			params.Set(key, value)
		}
	}
	return fileURI(o.Path, params)
}

// opener makes connectors of a driver that has none.
func opener(d driver.Driver) func(string) (driver.Connector, error) {
	return func(dsn string) (driver.Connector, error) { return dsnConnector{d, dsn}, nil }
}

type dsnConnector struct {
	driver driver.Driver
	dsn    string
}

func (c dsnConnector) Connect(context.Context) (driver.Conn, error) { return c.driver.Open(c.dsn) }
func (c dsnConnector) Driver() driver.Driver                        { return c.driver }
