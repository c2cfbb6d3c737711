package render

import (
	"fmt"
	"io"
	"strings"
)

// listWriter writes values as they are, between separators.
type listWriter struct {
	w     io.Writer
	opts  Options
	field func(Value) string
}

func newList(w io.Writer, opts Options) Writer {
	return &listWriter{w, opts, func(v Value) string { return plain(v, opts.Null) }}
}

func newCSV(w io.Writer, opts Options) Writer {
	return &listWriter{w, opts, func(v Value) string { return csvField(v, opts) }}
}

func newQuote(w io.Writer, opts Options) Writer {
	return &listWriter{w, opts, func(v Value) string { return Literal(v) }}
}

// Begin writes the names of the columns, if headers are on.
func (l *listWriter) Begin(columns []string) error {
	if !l.opts.Headers {
		return nil
	}
	return l.Row(texts(columns))
}

// Row writes one row.
func (l *listWriter) Row(values []Value) error {
	var b strings.Builder
	for i, v := range values {
		if i > 0 {
			b.WriteString(l.opts.Separator)
		}
		b.WriteString(l.field(v))
	}
	b.WriteString(l.opts.RowEnd)
	_, err := io.WriteString(l.w, b.String())
	return err
}

// End writes nothing.
func (l *listWriter) End() error { return nil }

func texts(names []string) []Value {
	values := make([]Value, len(names))
	for i, name := range names {
		values[i] = Value{Text, name}
	}
	return values
}

func plain(v Value, null string) string {
	if v.Kind == Null {
		return null
	}
	return v.Text
}

// csvField quotes what sqlite3 quotes: more than RFC 4180 asks, so that an empty
// text differs from NULL and the file survives careless readers.
func csvField(v Value, opts Options) string {
	if v.Kind == Null {
		return opts.Null
	}
	quote := v.Text == "" || opts.Separator != "" && strings.Contains(v.Text, opts.Separator) ||
		strings.ContainsFunc(v.Text, func(r rune) bool {
			return r <= ' ' || r == '"' || r == '\'' || r >= 0x7f
		})
	if !quote {
		return v.Text
	}
	return `"` + strings.ReplaceAll(v.Text, `"`, `""`) + `"`
}

// lineWriter writes one value a line, and a blank line between rows.
type lineWriter struct {
	w       io.Writer
	opts    Options
	columns []string
	width   int
	rows    int
}

func newLine(w io.Writer, opts Options) Writer { return &lineWriter{w: w, opts: opts} }

// Begin notes the names of the columns.
func (l *lineWriter) Begin(columns []string) error {
	l.columns, l.width = columns, 5 // as sqlite3
	for _, name := range columns {
		l.width = max(l.width, len([]rune(name)))
	}
	return nil
}

// Row writes one row.
func (l *lineWriter) Row(values []Value) error {
	var b strings.Builder
	if l.rows++; l.rows > 1 {
		b.WriteByte('\n')
	}
	for i, v := range values {
		fmt.Fprintf(&b, "%*s = %s\n", l.width, l.columns[i], plain(v, l.opts.Null))
	}
	_, err := io.WriteString(l.w, b.String())
	return err
}

// End writes nothing.
func (l *lineWriter) End() error { return nil }
