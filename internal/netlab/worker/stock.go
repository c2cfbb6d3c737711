package main

import (
	"database/sql/driver"
	"fmt"
	"maps"
	"net/url"
	"time"

	sqlite3driver "github.com/ncruces/go-sqlite3/driver"

	"github.com/holdfastdb/holdfast/internal/netlab/workload"
)

// A stockDriver is SQLite without Holdfast.
type stockDriver struct {
	connect func(dsn string) (driver.Connector, error)
	dsn     func(workload.Open) string
}

// stock are those that this worker was built with.
var stock = map[string]stockDriver{
	workload.Ncruces: {connect: (&sqlite3driver.SQLite{}).OpenConnector, dsn: pragmaDSN},
}

// findStock returns a stock driver.
func findStock(o workload.Open) (stockDriver, error) {
	d, ok := stock[o.Driver]
	switch {
	case !ok && o.Driver == workload.Mattn:
		return d, fmt.Errorf("%w: this worker was built without the driver mattn: build it with -tags %s and -ldflags %q",
			errUsage, workload.StockTags, workload.StockLink)
	case !ok:
		return d, fmt.Errorf("%w: it does not know the driver %q: use %s, %s or %s", errUsage, o.Driver, workload.Holdfast, workload.Ncruces, workload.Mattn)
	case o.TTL != 0 || o.Traps || len(o.Without) > 0:
		return d, fmt.Errorf("%w: the driver %s has no lease, no guards and meets no traps", errUsage, o.Driver)
	}
	return d, nil
}

// defaultBusy is the busy timeout if an open says nothing.
const defaultBusy = time.Minute

func busy(o workload.Open) time.Duration {
	if o.Busy == 0 {
		return defaultBusy
	}
	return o.Busy
}

// pragmaDSN is a data source name of Holdfast and of go-sqlite3. The busy timeout
// comes first, since the other pragmas may have to wait.
func pragmaDSN(o workload.Open) string {
	params := url.Values{}
	maps.Copy(params, o.Params)
	pragmas := []string{fmt.Sprintf("busy_timeout(%d)", busy(o).Milliseconds())}
	for _, p := range []struct{ name, value string }{{"journal_mode", o.Journal}, {"synchronous", o.Synchronous}} {
		if p.value != "" {
			pragmas = append(pragmas, fmt.Sprintf("%s(%s)", p.name, p.value))
		}
	}
	params["_pragma"] = append(pragmas, o.Params["_pragma"]...)
	return fileURI(o.Path, params)
}

func fileURI(path string, params url.Values) string {
	return (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: params.Encode()}).String()
}
