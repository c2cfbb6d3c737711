//go:build mattn

package main

import (
	"errors"

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
