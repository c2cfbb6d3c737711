package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ncruces/go-sqlite3"
)

// importFile adds the rows of a CSV file to a table, all or none. A table that is
// not there is created, with columns that the first row names.
func importFile(sh *Shell, ctx context.Context, args []string) (err error) {
	separator, skip, args, err := sh.importOptions(args)
	if err != nil {
		return err
	}
	in, err := openInput(ctx, args[0])
	if err != nil {
		return err
	}
	defer in.Close()
	r := newCSVReader(in, separator)
	for range skip {
		if _, err := r.next(); err != nil {
			return fmt.Errorf("import %s: skip: %w", args[0], err)
		}
	}
	n := 0
	err = sh.session.allOrNothing(func() error {
		n, err = sh.importRows(r, args[1])
		return err
	})
	if err != nil {
		return fmt.Errorf("import %s: nothing was imported: %w", args[0], err)
	}
	sh.say("%d rows imported into %s", n, args[1])
	return nil
}

// importOptions reads the flags, which may stand anywhere, as in sqlite3.
func (sh *Shell) importOptions(args []string) (separator string, skip int, rest []string, err error) {
	separator = sh.render.Separator
	if sh.render.Mode != "list" && sh.render.Mode != "tabs" {
		separator = ","
	}
	for i := 0; i < len(args); i++ {
		switch args[i] {
		case "--csv", "-csv":
			separator = ","
		case "--skip", "-skip":
			if i++; i == len(args) {
				return "", 0, nil, errors.New("--skip needs a number of rows")
			}
			if skip, err = strconv.Atoi(args[i]); err != nil || skip < 0 {
				return "", 0, nil, fmt.Errorf("--skip %s: not a number of rows", args[i])
			}
		default:
			rest = append(rest, args[i])
		}
	}
	if _, size := utf8.DecodeRuneInString(separator); size == 0 || size != len(separator) || strings.Contains("\"\r\n", separator) {
		return "", 0, nil, fmt.Errorf("columns cannot be separated by %q: use --csv or .separator with one character", separator)
	}
	if len(rest) != 2 {
		return "", 0, nil, errors.New("usage: .import [--csv] [--skip N] FILE TABLE")
	}
	return separator, skip, rest, nil
}

func (sh *Shell) importRows(r *csvReader, table string) (n int, err error) {
	columns, err := sh.importColumns(r, table)
	if err != nil {
		return 0, err
	}
	marks := strings.TrimSuffix(strings.Repeat("?,", columns), ",")
	insert, _, err := sh.session.raw.Prepare(`INSERT INTO ` + sqlite3.QuoteIdentifier(table) + ` VALUES(` + marks + `)`)
	if err != nil {
		return 0, err
	}
	defer insert.Close() // its error is the one that Err told
	for {
		row, err := r.next()
		switch {
		case err == io.EOF:
			return n, nil
		case err != nil:
			return n, err
		case r.blank && columns > 1:
			continue
		case len(row) != columns:
			return n, fmt.Errorf("line %d has %d columns, %s has %d", r.line, len(row), table, columns)
		}
		for i, field := range row {
			if err := insert.BindText(i+1, field); err != nil {
				return n, err
			}
		}
		if err := insert.Exec(); err != nil {
			return n, fmt.Errorf("line %d: %w", r.line, err)
		}
		n++
	}
}

// importColumns returns how many columns the table has, which it creates if need
// be.
func (sh *Shell) importColumns(r *csvReader, table string) (int, error) {
	names, err := sh.session.strings(`SELECT name FROM pragma_table_info(?1)`, table)
	if err != nil || len(names) > 0 {
		return len(names), err
	}
	header, err := r.next()
	for err == nil && r.blank {
		header, err = r.next()
	}
	if err != nil {
		return 0, fmt.Errorf("the first row, which names the columns: %w", err)
	}
	var columns []string
	for _, name := range header {
		columns = append(columns, sqlite3.QuoteIdentifier(name)+" TEXT")
	}
	return len(header), sh.session.exec(`CREATE TABLE ` + sqlite3.QuoteIdentifier(table) + ` (` + strings.Join(columns, ", ") + `)`)
}
