package demo

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
)

// A report is what remains when the writers have ended.
type report struct {
	began   time.Time
	turns   []*turn
	notes   []remark
	clash   [2]*turn // two writers that held the database at once, if there are
	locks   []string
	looks   int
	writers map[string]*tally
	checked []string // what was found to be right
}

func (d *director) report() *report {
	r := &report{began: d.began, turns: d.turns.sorted(), notes: d.notes, locks: d.locks, looks: d.looks, writers: d.writers}
	r.clash[0], r.clash[1] = d.turns.overlap()
	return r
}

// maxTurns is how many turns the table shows one by one.
const maxTurns = 24

// write writes the table of turns, and what was checked.
func (r *report) write(out io.Writer) error {
	t := table.NewWriter()
	t.SetStyle(table.Style{Box: table.StyleBoxLight, Options: table.OptionsDefault})
	t.AppendHeader(table.Row{"epoch", "holder", "from", "to", "rows", ""})
	var quiet []*turn
	alone := func(one *turn) {
		t.AppendRow(table.Row{one.epoch, one.holder, r.seconds(one.from), r.seconds(one.to), one.rows, r.remarks(one.epoch)})
	}
	flush := func() {
		switch len(quiet) {
		case 0:
		case 1:
			alone(quiet[0])
		default:
			t.AppendRow(r.together(quiet))
		}
		quiet = nil
	}
	for i, one := range r.turns {
		if len(r.turns) > maxTurns && !r.notable(i) {
			quiet = append(quiet, one)
			continue
		}
		flush()
		alone(one)
	}
	flush()
	_, err := fmt.Fprintf(out, "\nWho held the database, by the writers' own accounts:\n%s\n%s\n", t.Render(), strings.Join(r.checked, "\n"))
	return err
}

// notable reports whether a turn is shown by itself in a long table: the first and
// last, and those around what happened.
func (r *report) notable(i int) bool {
	for near := max(0, i-2); near <= min(i+3, len(r.turns)-1); near++ {
		if near < 2 || near > len(r.turns)-2 || r.remarks(r.turns[near].epoch) != "" {
			return true
		}
	}
	return false
}

// together makes one row of several turns.
func (r *report) together(quiet []*turn) table.Row {
	count := map[string]int{}
	rows := 0
	for _, one := range quiet {
		count[one.holder]++
		rows += one.rows
	}
	var who []string
	for name, n := range count {
		who = append(who, fmt.Sprintf("%s %d×", name, n))
	}
	slices.Sort(who)
	first, last := quiet[0], quiet[len(quiet)-1]
	return table.Row{fmt.Sprintf("%d-%d", first.epoch, last.epoch), strings.Join(who, ", "), r.seconds(first.from), r.seconds(last.to), rows, "took turns"}
}

func (r *report) seconds(t time.Time) string { return fmt.Sprintf("%.3fs", t.Sub(r.began).Seconds()) }

func (r *report) remarks(epoch uint64) string {
	var all []string
	for _, note := range r.notes {
		if note.epoch == epoch {
			all = append(all, note.text)
		}
	}
	return strings.Join(all, "; ")
}
