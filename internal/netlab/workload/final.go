package workload

import (
	"cmp"
	"fmt"
	"slices"
)

// Final returns what an audit, made when all was over, and the history disagree about,
// in a line each: every append that was acknowledged must be there, none that failed,
// none that nobody made, none twice, and those that had ended before others began must
// stand before them. The audit's own problems come first.
func (h *History) Final(a *Audit) []string {
	appends, _ := split(h.Operations())
	wrong := slices.Clone(a.Problems)
	if a.Total != Accounts*Balance {
		wrong = append(wrong, fmt.Sprintf("wrong total: the accounts hold %d, want %d", a.Total, Accounts*Balance))
	}
	rows := a.Rows()
	place := make(map[Row]bool)
	for _, row := range rows {
		o := appends[row]
		switch {
		case place[row]:
			wrong = append(wrong, fmt.Sprintf("row twice: %v", row))
		case o == nil:
			wrong = append(wrong, fmt.Sprintf("row out of nowhere: %v is there, which nobody appended", row))
		case o.Outcome == Failed:
			wrong = append(wrong, fmt.Sprintf("phantom row: %v is there: %v: %s", row, o, o.Err))
		}
		place[row] = true
	}
	return append(wrong, append(lost(appends, place), misplaced(appends, rows)...)...)
}

// lost tells of rows that are not there though they were acknowledged.
func lost(appends map[Row]*Operation, place map[Row]bool) (wrong []string) {
	var gone []*Operation
	for row, o := range appends {
		if !place[row] && o.Outcome == OK {
			gone = append(gone, o)
		}
	}
	slices.SortFunc(gone, func(a, b *Operation) int { return cmp.Compare(a.Call, b.Call) })
	for i, o := range gone {
		if i == maxTold {
			return append(wrong, fmt.Sprintf("lost rows: %d in all were acknowledged and are not there", len(gone)))
		}
		wrong = append(wrong, fmt.Sprintf("lost row: it was acknowledged and is not there: %v", o))
	}
	return wrong
}

// misplaced tells of rows that stand before others that had ended when they began.
func misplaced(appends map[Row]*Operation, rows []Row) (wrong []string) {
	var earliest *Operation // of those that stand behind, the one that ended first
	for _, row := range slices.Backward(rows) {
		o := appends[row]
		if o == nil || len(wrong) == maxTold {
			continue
		}
		if earliest != nil && o.Call > ends(earliest) {
			wrong = append(wrong, fmt.Sprintf("rows in a wrong order: %v stands before %v, which had ended when it began", o, earliest))
		}
		if earliest == nil || ends(o) < ends(earliest) {
			earliest = o
		}
	}
	return wrong
}
