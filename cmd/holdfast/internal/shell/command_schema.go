package shell

import (
	"context"
	"fmt"
	"strings"

	"github.com/ncruces/go-sqlite3"

	"github.com/holdfastdb/holdfast/vfs"
)

var schemaCommands = []command{
	{name: ".databases", help: "Show the main and the attached databases", run: databases},
	{name: ".indexes", args: "[TABLE]", help: "Show the indexes, of tables LIKE a pattern", max: 1, takes: someTable, run: indexes},
	{name: ".schema", args: "[PATTERN]", help: "Show the CREATE statements, of objects LIKE a pattern", max: 1, takes: someTable, run: schema},
	{name: ".tables", args: "[PATTERN]", help: "Show tables and views, LIKE a pattern", max: 1, takes: someTable, run: tables},
}

func databases(sh *Shell, ctx context.Context, _ []string) error {
	return sh.session.query(`SELECT name, file FROM pragma_database_list ORDER BY seq`, func(stmt *sqlite3.Stmt) error {
		name, file := stmt.ColumnText(0), stmt.ColumnText(1)
		if file == "" {
			file = `""`
		}
		access := "r/w"
		if readOnly, _ := sh.session.raw.ReadOnly(name); readOnly {
			access = "r/o"
		}
		if f := vfs.FileOf(sh.session.raw, name); f != nil {
			now, err := f.Locker().Current(ctx)
			if err != nil {
				return err
			}
			if now.File != "" {
				access += ", in " + now.File
			}
		}
		_, err := fmt.Fprintf(sh.out, "%s: %s %s\n", name, file, access)
		return err
	})
}

// everywhere is a query over the schemas of all databases. The part that each
// contributes is a format with the quoted name of the database.
func (sh *Shell) everywhere(part string) (string, error) {
	names, err := sh.session.strings(`SELECT name FROM pragma_database_list ORDER BY seq`)
	if err != nil {
		return "", err
	}
	var parts []string
	for i, name := range names {
		parts = append(parts, fmt.Sprintf(part, sqlite3.QuoteIdentifier(name), sqlite3.Quote(name), i))
	}
	return strings.Join(parts, " UNION ALL "), nil
}

func tables(sh *Shell, _ context.Context, args []string) error {
	return sh.names(args, `SELECT iif(%[2]s='main', '', %[2]s||'.')||name AS name FROM %[1]s.sqlite_schema
		WHERE type IN ('table','view') AND name NOT LIKE 'sqlite\_%%' ESCAPE '\' AND name LIKE ?1`)
}

func indexes(sh *Shell, _ context.Context, args []string) error {
	return sh.names(args, `SELECT iif(%[2]s='main', '', %[2]s||'.')||name AS name FROM %[1]s.sqlite_schema
		WHERE type='index' AND tbl_name LIKE ?1`)
}

// names lists what a query over all schemas finds, in columns.
func (sh *Shell) names(args []string, part string) error {
	query, err := sh.everywhere(part)
	if err != nil {
		return err
	}
	names, err := sh.session.strings(`SELECT name FROM (`+query+`) ORDER BY 1`, pattern(args))
	if err != nil {
		return err
	}
	return sh.inColumns(names)
}

func pattern(args []string) string {
	if len(args) == 0 {
		return "%"
	}
	return args[0]
}

// inColumns lists names downwards in as many columns as fit 80 characters.
func (sh *Shell) inColumns(names []string) error {
	longest := 0
	for _, name := range names {
		longest = max(longest, len([]rune(name)))
	}
	columns := max(1, 80/(longest+2))
	height := (len(names) + columns - 1) / columns
	for row := range height {
		var line strings.Builder
		for i := row; i < len(names); i += height {
			fmt.Fprintf(&line, "%-*s  ", longest, names[i])
		}
		if _, err := fmt.Fprintln(sh.out, strings.TrimRight(line.String(), " ")); err != nil {
			return err
		}
	}
	return nil
}

func schema(sh *Shell, _ context.Context, args []string) error {
	query, err := sh.everywhere(`SELECT sql, rowid AS r, %[3]d AS d FROM %[1]s.sqlite_schema
		WHERE sql IS NOT NULL AND (name LIKE ?1 OR tbl_name LIKE ?1 OR %[2]s||'.'||name LIKE ?1)`)
	if err != nil {
		return err
	}
	return sh.session.query(`SELECT sql FROM (`+query+`) ORDER BY d, r`, func(stmt *sqlite3.Stmt) error {
		_, err := fmt.Fprintf(sh.out, "%s;\n", stmt.ColumnText(0))
		return err
	}, pattern(args))
}
