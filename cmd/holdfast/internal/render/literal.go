package render

import (
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/holdfastdb/holdfast/cmd/holdfast/internal/sqltext"
)

// Literal returns v as an SQL expression that gives the same value with the same
// storage class in any SQLite database.
func Literal(v Value) string {
	switch v.Kind {
	case Null:
		return "NULL"
	case Float:
		return floatLiteral(v.Text)
	case Text:
		return textLiteral(v.Text)
	case Blob:
		return "X'" + hex.EncodeToString([]byte(v.Text)) + "'"
	}
	return v.Text
}

// floatLiteral: SQLite's own text of a REAL has as many digits as it takes to
// read the same number back, but its infinities are names.
func floatLiteral(text string) string {
	switch text {
	case "Inf":
		return "1e999"
	case "-Inf":
		return "-1e999"
	}
	return text
}

// textLiteral quotes text. A line end is replaced, as sqlite3 does, so that no
// line of a dump looks like a dot-command or loses a CR on its way; a NUL is,
// because SQL text ends there; and what is not UTF-8 is written in hexadecimal.
func textLiteral(text string) string {
	if !utf8.ValidString(text) {
		return "CAST(X'" + hex.EncodeToString([]byte(text)) + "' AS TEXT)"
	}
	quoted := "'" + strings.ReplaceAll(text, "'", "''") + "'"
	for _, special := range []struct{ char, mark string }{{"\n", `\n`}, {"\r", `\r`}, {"\x00", `\0`}} {
		if !strings.Contains(text, special.char) {
			continue
		}
		mark := unused(text, special.mark)
		quoted = fmt.Sprintf("replace(%s,'%s',char(%d))",
			strings.ReplaceAll(quoted, special.char, mark), mark, special.char[0])
	}
	return quoted
}

// unused returns mark or something like it that text does not contain.
func unused(text, mark string) string {
	for i, try := 0, mark; ; i++ {
		if !strings.Contains(text, try) {
			return try
		}
		try = fmt.Sprintf("(%s%d)", mark, i)
	}
}

// insertWriter writes one INSERT statement a row.
type insertWriter struct {
	w    io.Writer
	opts Options
	head string
}

func newInsert(w io.Writer, opts Options) Writer { return &insertWriter{w: w, opts: opts} }

// Begin notes the names of the columns.
func (i *insertWriter) Begin(columns []string) error {
	table := i.opts.Table
	if table == "" {
		table = "table"
	}
	i.head = "INSERT INTO " + sqltext.Name(table)
	if i.opts.Headers {
		var names []string
		for _, name := range columns {
			names = append(names, sqltext.Name(name))
		}
		i.head += "(" + strings.Join(names, ",") + ")"
	}
	return nil
}

// Row writes one row.
func (i *insertWriter) Row(values []Value) error {
	_, err := fmt.Fprintf(i.w, "%s VALUES(%s);\n", i.head, Literals(values))
	return err
}

// End writes nothing.
func (i *insertWriter) End() error { return nil }

// Literals returns the values as SQL expressions between commas.
func Literals(values []Value) string {
	fields := make([]string, len(values))
	for i, v := range values {
		fields[i] = Literal(v)
	}
	return strings.Join(fields, ",")
}
