package render

import "github.com/ncruces/go-sqlite3"

// Column copies a field of the present row of stmt.
func Column(stmt *sqlite3.Stmt, i int) Value {
	// Its type has to be asked for first: reading a number as text changes it.
	switch stmt.ColumnType(i) {
	case sqlite3.INTEGER:
		return Value{Integer, stmt.ColumnText(i)}
	case sqlite3.FLOAT:
		return Value{Float, stmt.ColumnText(i)}
	case sqlite3.TEXT:
		return Value{Text, stmt.ColumnText(i)}
	case sqlite3.BLOB:
		return Value{Blob, string(stmt.ColumnRawBlob(i))}
	}
	return Value{}
}
