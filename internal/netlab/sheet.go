//go:build linux

package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
)

// newTable returns an empty table that is printed as all are.
func newTable() table.Writer {
	t := table.NewWriter()
	t.SetOutputMirror(os.Stdout)
	t.SetStyle(table.StyleLight)
	return t
}

// lines puts each on a line of its own, below something.
func lines(of []string) string {
	if len(of) == 0 {
		return ""
	}
	return "\n" + strings.Join(of, "\n")
}

// A goal is one that is reached or missed.
type goal struct {
	name    string
	reached bool
}

// verdictOf says which goals were reached.
func verdictOf(goals []goal) string {
	var missed, reached []string
	for _, g := range goals {
		if g.reached {
			reached = append(reached, g.name)
		} else {
			missed = append(missed, g.name)
		}
	}
	switch {
	case len(goals) == 0:
		return ""
	case len(missed) == 0:
		return "reached"
	case len(reached) == 0:
		return "MISSED " + strings.Join(missed, ", ")
	}
	return "MISSED " + strings.Join(missed, ", ") + "; reached " + strings.Join(reached, ", ")
}

// ratio is how many times the base something is; 0 if there is none.
func ratio(times float64) string {
	if times == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1fx", times)
}

// kinds tells how many there were of each.
func kinds(of map[string]int) string {
	var text []string
	for _, kind := range slices.Sorted(maps.Keys(of)) {
		text = append(text, fmt.Sprintf("%d %s", of[kind], kind))
	}
	return strings.Join(text, ", ")
}
