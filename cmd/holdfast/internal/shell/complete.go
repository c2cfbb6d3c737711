package shell

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ncruces/go-sqlite3"

	"github.com/holdfastdb/holdfast/cmd/holdfast/internal/render"
	"github.com/holdfastdb/holdfast/cmd/holdfast/internal/sqltext"
)

// complete returns what can stand at the end of text, which is what was typed
// before the cursor.
func (sh *Shell) complete(ctx context.Context, text string) Candidates {
	if strings.HasPrefix(text, ".") {
		return sh.completeCommand(ctx, text)
	}
	var s sqltext.Scanner
	s.Feed(text)
	if s.Quoted() {
		return Candidates{}
	}
	start := wordStart(text, len(text))
	word := text[start:]
	if head := text[:start]; strings.HasSuffix(head, ".") {
		start = wordStart(head, len(head)-1)
		table := head[start : len(head)-1]
		values := withPrefix(sh.columns(ctx, table), word)
		for i, column := range values {
			values[i] = table + "." + column
		}
		return Candidates{Start: start, Values: values}
	}
	if wantsTable(text[:start]) {
		return Candidates{Start: start, Values: withPrefix(sh.tableNames(ctx), word)}
	}
	if word == "" {
		return Candidates{} // everything
	}
	values := withPrefix(sqltext.Keywords, word)
	values = append(values, withPrefix(sh.columns(ctx, ""), word)...)
	values = append(values, withPrefix(sh.tableNames(ctx), word)...)
	slices.Sort(values)
	return Candidates{Start: start, Values: slices.Compact(values)}
}

// wordStart returns where the name begins that ends before end.
func wordStart(text string, end int) int {
	return strings.LastIndexFunc(text[:end], func(r rune) bool {
		return r < 0x80 && r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) + 1
}

// wantsTable reports whether a table must follow.
func wantsTable(text string) bool {
	words := strings.Fields(text)
	if len(words) == 0 {
		return false
	}
	return slices.Contains([]string{"FROM", "JOIN", "INTO", "UPDATE", "TABLE"}, strings.ToUpper(words[len(words)-1]))
}

// withPrefix returns those values that begin with prefix, in any case. Keywords
// follow the case of what was typed.
func withPrefix(values []string, prefix string) []string {
	var found []string
	lower := prefix == strings.ToLower(prefix)
	for _, value := range values {
		if len(value) < len(prefix) || !strings.EqualFold(value[:len(prefix)], prefix) {
			continue
		}
		if _, isKeyword := slices.BinarySearch(sqltext.Keywords, value); isKeyword && lower {
			value = strings.ToLower(value)
		}
		found = append(found, value)
	}
	return found
}

// completeCommand completes a dot-command or its last argument.
func (sh *Shell) completeCommand(ctx context.Context, text string) Candidates {
	name, _, hasArgs := strings.Cut(text, " ")
	if !hasArgs {
		return Candidates{Values: withPrefix(commandNames(), name)}
	}
	c, err := findCommand(name)
	if err != nil {
		return Candidates{}
	}
	start := strings.LastIndex(text, " ") + 1
	word := text[start:]
	switch c.takes {
	case someFile:
		values := fileNames(word)
		open := len(values) == 1 && os.IsPathSeparator(values[0][len(values[0])-1])
		return Candidates{Start: start, Values: values, Open: open}
	case someTable:
		return Candidates{Start: start, Values: withPrefix(sh.tableNames(ctx), word)}
	case someMode:
		return Candidates{Start: start, Values: withPrefix(render.Modes(), word)}
	case someSwitch:
		return Candidates{Start: start, Values: withPrefix([]string{"off", "on"}, word)}
	case someCommand:
		return Candidates{Start: start, Values: withPrefix(commandNames(), word)}
	}
	return Candidates{}
}

func commandNames() []string {
	names := make([]string, len(commands))
	for i, c := range commands {
		names[i] = c.name
	}
	return names
}

// fileNames returns the files and directories whose names begin with word.
func fileNames(word string) []string {
	dir, base := filepath.Split(word)
	list := dir
	if list == "" {
		list = "."
	}
	entries, err := os.ReadDir(list)
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		name := e.Name()
		if !strings.HasPrefix(name, base) || strings.ContainsAny(name, " '\"") || base == "" && strings.HasPrefix(name, ".") {
			continue
		}
		if e.IsDir() {
			name += string(filepath.Separator)
		}
		names = append(names, dir+name)
	}
	return names
}

// tableNames returns the names of all tables and views, as they are written in SQL.
func (sh *Shell) tableNames(ctx context.Context) []string {
	return sh.glance(ctx, `SELECT name FROM sqlite_schema WHERE type IN ('table','view')
		UNION SELECT name FROM temp.sqlite_schema WHERE type IN ('table','view') ORDER BY 1 LIMIT 2000`)
}

// columns returns the names of the columns of a table, or of all.
func (sh *Shell) columns(ctx context.Context, table string) []string {
	return sh.glance(ctx, `SELECT DISTINCT c.name FROM sqlite_schema AS t, pragma_table_xinfo(t.name) AS c
		WHERE t.type IN ('table','view') AND (?1='' OR t.name LIKE ?1) ORDER BY 1 LIMIT 5000`, table)
}

// glance asks the database for names, if that is possible at once: completion is
// not worth waiting for another process.
func (sh *Shell) glance(ctx context.Context, query string, args ...string) (names []string) {
	ctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	if err := sh.session.acquire(ctx); err != nil {
		return nil
	}
	defer sh.session.settle()
	err := sh.session.impatient(func() error {
		return sh.session.query(query, func(stmt *sqlite3.Stmt) error {
			names = append(names, sqltext.Name(stmt.ColumnText(0)))
			return nil
		}, args...)
	})
	if err != nil {
		return nil
	}
	return names
}
