// Package dump writes a SQLite database as SQL that any SQLite shell can load.
//
// Loading it into an empty database gives the same schema, in the same order, and
// the same values with the same storage classes. Not kept is what no program
// should rely on: hidden rowids, the page size, free pages, and the samples of
// ANALYZE, for which some builds of SQLite have no table.
package dump

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/ncruces/go-sqlite3"

	"github.com/holdfastdb/holdfast/cmd/holdfast/internal/render"
	"github.com/holdfastdb/holdfast/cmd/holdfast/internal/sqltext"
)

// A dumper writes one dump.
type dumper struct {
	w        io.Writer
	conn     *sqlite3.Conn
	writable bool // the schema was opened for writing
}

// Write writes the main database of conn, or of that the tables, and what belongs
// to them, whose names are LIKE one of patterns. It reads in one transaction and
// in bounded memory. If it fails, what was written rolls itself back when loaded.
func Write(w io.Writer, conn *sqlite3.Conn, patterns ...string) (err error) {
	d := &dumper{w: w, conn: conn}
	// A savepoint works inside a transaction too. (go-sqlite3's own type panics if
	// the database is damaged.)
	if err := conn.Exec(`SAVEPOINT holdfast_dump`); err != nil {
		return err
	}
	defer func() {
		ctx := conn.SetInterrupt(context.Background()) // an interrupt must not keep the transaction open
		err = errors.Join(err, conn.Exec(`RELEASE holdfast_dump`))
		conn.SetInterrupt(ctx)
	}()
	if err := d.head(len(patterns) == 0); err != nil {
		return err
	}
	err = d.body(patterns)
	if err == nil && len(patterns) == 0 {
		err = d.numbers()
	}
	end := "COMMIT;\n"
	if err != nil {
		end = "ROLLBACK; -- due to errors\n"
	}
	if d.writable {
		end = "PRAGMA writable_schema=OFF;\n" + end
	}
	return errors.Join(err, d.print("%s", end))
}

func (d *dumper) print(format string, args ...any) error {
	_, err := fmt.Fprintf(d.w, format, args...)
	return err
}

// head writes what must stand before the first table. An encoding other than
// the default can only be chosen there.
func (d *dumper) head(whole bool) error {
	if encoding, err := d.text(`PRAGMA encoding`); err != nil {
		return err
	} else if whole && encoding != "UTF-8" {
		if err := d.print("PRAGMA encoding=%s;\n", sqlite3.Quote(encoding)); err != nil {
			return err
		}
	}
	return d.print("PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n")
}

// numbers writes the two numbers in the header that belong to the program.
func (d *dumper) numbers() error {
	for _, name := range []string{"user_version", "application_id"} {
		value, err := d.text(`PRAGMA ` + name)
		if err != nil {
			return err
		}
		if value == "0" {
			continue
		}
		if err := d.print("PRAGMA %s=%s;\n", name, value); err != nil {
			return err
		}
	}
	return nil
}

func (d *dumper) text(sql string) (text string, err error) {
	err = d.each(sql, nil, func(stmt *sqlite3.Stmt) error {
		text = stmt.ColumnText(0)
		return nil
	})
	return text, err
}

// body writes the tables with their rows, and then what refers to them.
func (d *dumper) body(patterns []string) error {
	chosen := `sql IS NOT NULL`
	if len(patterns) > 0 {
		var likes []string
		for i := range patterns {
			likes = append(likes, fmt.Sprintf("name LIKE ?%d OR tbl_name LIKE ?%[1]d", i+1))
		}
		chosen += ` AND (` + strings.Join(likes, " OR ") + `)`
	}
	err := d.each(`SELECT name, sql FROM main.sqlite_schema WHERE type='table' AND `+chosen+`
		ORDER BY tbl_name='sqlite_sequence', rowid`, patterns,
		func(stmt *sqlite3.Stmt) error { return d.table(stmt.ColumnText(0), stmt.ColumnText(1)) })
	if err != nil {
		return err
	}
	return d.each(`SELECT sql FROM main.sqlite_schema WHERE type IN ('index','trigger','view') AND `+chosen, patterns,
		func(stmt *sqlite3.Stmt) error { return d.print("%s;\n", stmt.ColumnText(0)) })
}

// table writes one table and its rows.
func (d *dumper) table(name, sql string) error {
	switch {
	case name == "sqlite_sequence":
		sql = "DELETE FROM sqlite_sequence;\n" // AUTOINCREMENT made it
	case name == "sqlite_stat1":
		sql = "ANALYZE sqlite_schema;\n" // makes it, without rows
	case strings.HasPrefix(name, "sqlite_"):
		return nil
	case isVirtual(sql):
		return d.virtual(name, sql)
	default:
		sql += ";\n"
	}
	if err := d.print("%s", sql); err != nil {
		return err
	}
	return d.rows(name)
}

func isVirtual(sql string) bool {
	words := sqltext.FirstWords(sql, 2)
	return len(words) == 2 && words[0] == "CREATE" && words[1] == "VIRTUAL"
}

// virtual writes a virtual table into the schema as it stands. Its content lies in
// shadow tables, which are dumped like others: to create it would make them anew.
func (d *dumper) virtual(name, sql string) error {
	if !d.writable {
		d.writable = true
		if err := d.print("PRAGMA writable_schema=ON;\n"); err != nil {
			return err
		}
	}
	return d.print("INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql)VALUES('table',%s,%[1]s,0,%s);\n",
		sqlite3.Quote(name), sqlite3.Quote(sql))
}

// rows writes the rows of a table, without columns that are computed.
func (d *dumper) rows(table string) error {
	var columns []string
	err := d.each(`SELECT name FROM pragma_table_info(?1)`, []string{table}, func(stmt *sqlite3.Stmt) error {
		columns = append(columns, sqlite3.QuoteIdentifier(stmt.ColumnText(0)))
		return nil
	})
	if err != nil {
		return err
	}
	values := make([]render.Value, len(columns))
	return d.each(`SELECT `+strings.Join(columns, ",")+` FROM main.`+sqlite3.QuoteIdentifier(table), nil,
		func(stmt *sqlite3.Stmt) error {
			for i := range values {
				values[i] = render.Column(stmt, i)
			}
			return d.print("INSERT INTO %s VALUES(%s);\n", sqltext.Name(table), literals(values))
		})
}

// each runs a query and calls row for each row.
func (d *dumper) each(sql string, args []string, row func(*sqlite3.Stmt) error) (err error) {
	stmt, _, err := d.conn.Prepare(sql)
	if err != nil {
		return err
	}
	defer stmt.Close() // its error is the one that Err told
	for i, arg := range args {
		if err := stmt.BindText(i+1, arg); err != nil {
			return err
		}
	}
	for stmt.Step() {
		if err := row(stmt); err != nil {
			return err
		}
	}
	return stmt.Err()
}
