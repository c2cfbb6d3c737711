package render

import (
	"io"
	"strings"
	"unicode/utf8"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// A table has to know its widths before its first line. They are taken from the
// first rows, as many as the bounds below allow; what comes later is printed by
// the chunk in the same widths, and wraps where it is wider.
const (
	chunkRows  = 1000
	chunkBytes = 1 << 20
)

// tableWriter writes the modes box, table, markdown and column.
type tableWriter struct {
	w       io.Writer
	opts    Options
	style   tableStyle
	columns []string
	rows    []table.Row // not yet printed
	bytes   int         // in rows
	widths  []int       // nil before the first chunk
	bottom  string      // the last line
}

func newTable(w io.Writer, opts Options) Writer {
	return &tableWriter{w: w, opts: opts, style: tableStyles[opts.Mode]}
}

// Begin notes the names of the columns.
func (t *tableWriter) Begin(columns []string) error {
	t.columns = make([]string, len(columns))
	for i, name := range columns {
		t.columns[i] = t.style.cell(name)
	}
	return nil
}

// Row keeps one row until the chunk is full.
func (t *tableWriter) Row(values []Value) error {
	row := make(table.Row, len(values))
	for i, v := range values {
		cell := t.style.cell(tableText(v, t.opts.Null))
		row[i] = cell
		t.bytes += len(cell)
	}
	t.rows = append(t.rows, row)
	if len(t.rows) < chunkRows && t.bytes < chunkBytes {
		return nil
	}
	return t.flush()
}

// End prints what is left, and the lower border.
func (t *tableWriter) End() error {
	started := t.widths != nil
	if !started && len(t.rows) == 0 && !t.opts.Headers {
		return nil
	}
	if len(t.rows) > 0 || !started {
		if err := t.flush(); err != nil {
			return err
		}
	}
	if !t.style.borders {
		return nil
	}
	_, err := io.WriteString(t.w, t.bottom+"\n")
	return err
}

// flush prints the rows that are kept, without the lower border; only the first
// chunk has the upper border and the header.
func (t *tableWriter) flush() error {
	first := t.widths == nil
	if first {
		t.measure()
	}
	lines := strings.Split(t.chunk(first), "\n")
	if t.style.frame {
		if t.bottom = lines[len(lines)-1]; !first || !t.style.borders {
			lines = lines[1:]
		}
		lines = lines[:len(lines)-1]
	}
	t.rows, t.bytes = nil, 0
	_, err := io.WriteString(t.w, strings.Join(lines, "\n")+"\n")
	return err
}

func (t *tableWriter) chunk(withHeader bool) string {
	w := table.NewWriter()
	w.SetStyle(t.style.Style)
	var configs []table.ColumnConfig
	for i, width := range t.widths {
		configs = append(configs, table.ColumnConfig{
			Number: i + 1, Align: text.AlignLeft, AlignHeader: text.AlignLeft,
			WidthMin: width, WidthMax: width, WidthMaxEnforcer: text.WrapText,
		})
	}
	w.SetColumnConfigs(configs)
	if withHeader && t.opts.Headers {
		header := make(table.Row, len(t.columns))
		for i, name := range t.columns {
			if header[i] = name; t.style.centered {
				header[i] = center(name, t.widths[i])
			}
		}
		w.AppendHeader(header)
	}
	w.AppendRows(t.rows)
	return w.Render()
}

// center puts the odd space after the name, as sqlite3 does.
func center(name string, width int) string {
	return strings.Repeat(" ", max(0, width-text.LongestLineLen(name))/2) + name
}

// measure takes the widths from the header and the rows that are kept.
func (t *tableWriter) measure() {
	t.widths = make([]int, len(t.columns))
	for i, name := range t.columns {
		if i < len(t.opts.Widths) && t.opts.Widths[i] > 0 {
			t.widths[i] = t.opts.Widths[i]
			continue
		}
		t.widths[i] = 1
		if t.opts.Headers {
			t.widths[i] = max(1, text.LongestLineLen(name))
		}
		for _, row := range t.rows {
			t.widths[i] = max(t.widths[i], text.LongestLineLen(row[i].(string)))
		}
	}
}

// tableText returns what a person can look at: a blob that is not readable is
// shown in hexadecimal.
func tableText(v Value, null string) string {
	if v.Kind == Blob && !readable(v.Text) {
		return Literal(v)
	}
	return plain(v, null)
}

func readable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return r < ' ' && r != '\n' && r != '\t' || r == 0x7f
	})
}
