package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// A table is a Markdown table that is written line by line.
type table struct{ out io.Writer }

// newTable begins a table whose first column is text and whose others are numbers.
func (b *bench) newTable(columns ...string) *table {
	t := &table{b.out}
	fmt.Fprintln(b.out)
	t.row(columns...)
	fmt.Fprintln(b.out, "|---|"+strings.Repeat("--:|", len(columns)-1))
	return t
}

func (t *table) row(cells ...string) { fmt.Fprintf(t.out, "| %s |\n", strings.Join(cells, " | ")) }

// comparisonTable begins the table that [bench.compare] fills.
func (b *bench) comparisonTable() *table {
	return b.newTable("one operation", "go-sqlite3", "Holdfast", "ratio", "middle half", "min to max")
}

func median(values []float64) float64 { return quantile(values, 0.5) }

// quantile returns the value below which a part q of all lie, by linear
// interpolation.
func quantile(values []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	at := q * float64(len(sorted)-1)
	low := int(at)
	high := min(low+1, len(sorted)-1)
	return sorted[low] + (at-float64(low))*(sorted[high]-sorted[low])
}

// nanoseconds writes a duration with three digits.
func nanoseconds(ns float64) string {
	d := time.Duration(ns)
	for unit := time.Nanosecond; unit < time.Second; unit *= 10 {
		if d < 1000*unit {
			return d.Round(unit).String()
		}
	}
	return d.Round(10 * time.Millisecond).String()
}
