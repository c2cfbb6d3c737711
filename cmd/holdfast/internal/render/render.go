// Package render writes the results of SQL statements in the output modes of the
// sqlite3 shell, in bounded memory however long a result is.
package render

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// A Kind is a storage class of SQLite.
type Kind uint8

// The five storage classes.
const (
	Null Kind = iota
	Integer
	Float
	Text
	Blob
)

// A Value is one field of a result. Text is what SQLite converts the value to,
// or the bytes of a blob; it is empty for NULL.
type Value struct {
	Kind Kind
	Text string
}

// A Writer writes one result.
type Writer interface {
	// Begin comes first, with the names of the columns.
	Begin(columns []string) error
	// Row writes one row, which has as many values as there are columns. The
	// writer does not keep the slice.
	Row(values []Value) error
	// End comes last, also when the result broke off.
	End() error
}

// Options says how results look.
type Options struct {
	Mode      string // one of [Modes]
	Headers   bool   // whether list, csv, tabs, quote and column show the names of the columns
	Null      string // what stands for NULL, except where the mode has a word for it
	Separator string // between the columns of list and csv
	RowEnd    string // after each row of list and csv
	Table     string // the table that insert names
	Widths    []int  // least and largest width of a column in table modes; 0: as wide as needed
}

// modes says how each mode is written, and with which separators.
var modes = map[string]struct {
	open           func(io.Writer, Options) Writer
	separator, end string
	headers        bool // whether the mode turns headers on
}{
	"box":      {open: newTable, headers: true},
	"column":   {open: newTable, headers: true},
	"csv":      {open: newCSV, separator: ",", end: "\r\n"},
	"insert":   {open: newInsert},
	"json":     {open: newJSON},
	"line":     {open: newLine},
	"list":     {open: newList, separator: "|", end: "\n"},
	"markdown": {open: newTable, headers: true},
	"quote":    {open: newQuote, separator: ",", end: "\n"},
	"table":    {open: newTable, headers: true},
	"tabs":     {open: newList, separator: "\t", end: "\n"},
}

// Modes returns the names of all modes, sorted.
func Modes() []string {
	var names []string
	for name := range modes {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// SetMode changes the mode, and with it the separators and headers that belong
// to it, as sqlite3 does. It fails for a mode that is not one of [Modes].
func (o *Options) SetMode(name string) error {
	mode, ok := modes[name]
	if !ok {
		return fmt.Errorf("no output mode %q: use one of %s", name, strings.Join(Modes(), ", "))
	}
	o.Mode = name
	if mode.separator != "" {
		o.Separator, o.RowEnd = mode.separator, mode.end
	}
	if mode.headers {
		o.Headers = true
	}
	return nil
}

// New returns a writer of one result in the mode of opts, which must be one of
// [Modes].
func New(w io.Writer, opts Options) Writer {
	return modes[opts.Mode].open(w, opts)
}
