package holdfast

import (
	"context"
	"database/sql/driver"
)

// rows are the rows of a query.
type rows struct {
	innerRows
	c   *conn
	ctx context.Context
}

// innerRows is what go-sqlite3's rows implement.
type innerRows interface {
	driver.Rows
	driver.RowsColumnTypeDatabaseTypeName
	driver.RowsColumnTypeNullable
	driver.RowsColumnTypeScanType
}

var _ innerRows = (*rows)(nil)

func (r *rows) Next(dest []driver.Value) error {
	err := r.innerRows.Next(dest)
	if err == nil {
		return nil
	}
	return r.c.ended(r.ctx, err)
}

func (r *rows) Close() error {
	return r.c.ended(r.ctx, r.innerRows.Close())
}
