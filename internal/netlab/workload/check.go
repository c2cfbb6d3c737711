package workload

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// maxTold is how many violations of one kind are told; the first are enough to find
// the cause.
const maxTold = 5

// Check returns what is wrong with the history, in a line each; nothing if reads saw
// every append that was acknowledged before they began, none that failed, and the
// others at any time after their call, or never: if it is linearizable. It also tells
// of reads that saw a wrong total, and of those that found the database damaged.
//
// It is judged twice. Since each read sees the whole ledger and nothing is ever taken
// out of it, reads and appends fall into an order by what they saw, and it is enough
// that none of them ended before an earlier one in that order was called (see layers).
// That takes n log n, and names the two operations that do not fit. Porcupine, which
// knows nothing of that, then searches for an order by itself (see settled).
func (h *History) Check() []string {
	ops := h.Operations()
	h.mu.Lock()
	wrong := slices.Clone(h.problems)
	h.mu.Unlock()
	wrong = append(wrong, damaged(ops)...)
	wrong = append(wrong, totals(ops)...)
	order := unordered(ops)
	if len(order) == 0 {
		order = unlinearizable(ops)
	}
	return append(wrong, order...)
}

func damaged(ops []*Operation) (wrong []string) {
	for _, o := range ops {
		if o.Why == KindCorrupt && len(wrong) < maxTold {
			wrong = append(wrong, fmt.Sprintf("corrupt database: %v: %s", o, o.Err))
		}
	}
	return wrong
}

func totals(ops []*Operation) (wrong []string) {
	for _, o := range ops {
		if o.Kind == Reading && o.Outcome == OK && o.Total != Accounts*Balance && len(wrong) < maxTold {
			wrong = append(wrong, fmt.Sprintf("wrong total: %v saw %d, want %d", o, o.Total, Accounts*Balance))
		}
	}
	return wrong
}

// unordered returns why no order of the operations is that of their times.
func unordered(ops []*Operation) []string {
	appends, reads := split(ops)
	if wrong := twice(reads); len(wrong) > 0 {
		return wrong
	}
	layers, wrong := layer(appends, reads)
	if len(wrong) > 0 {
		return wrong
	}
	var latest *Operation // of the layers before, the one that was called last
	for _, l := range layers {
		for _, o := range l {
			if latest != nil && ends(o) < latest.Call && len(wrong) < maxTold {
				wrong = append(wrong, explain(o, latest, reads))
			}
		}
		for _, o := range l {
			if latest == nil || o.Call > latest.Call {
				latest = o
			}
		}
	}
	return wrong
}

// split returns the appends that may have taken effect, by their rows, and the reads
// that succeeded.
func split(ops []*Operation) (appends map[Row]*Operation, reads []*Operation) {
	appends = make(map[Row]*Operation)
	for _, o := range ops {
		switch {
		case o.Kind == Appending:
			appends[o.Row] = o
		case o.Outcome == OK:
			reads = append(reads, o)
		}
	}
	return appends, reads
}

// ends returns until when an operation took effect. One of unknown outcome has no end.
func ends(o *Operation) time.Duration {
	if o.Outcome == Unknown {
		return Never
	}
	return o.Return
}

// layer sorts operations by what they saw: reads that saw the fewest rows first, and
// before each read the appends of the rows that it saw and the one before did not. In
// any order that explains the history, layers follow each other. What nobody saw is the
// last layer, or never happened. If two reads saw what is not a part of the other,
// there is no order.
func layer(appends map[Row]*Operation, reads []*Operation) (layers [][]*Operation, wrong []string) {
	reads = slices.Clone(reads)
	size := make(map[*Operation]int, len(reads))
	for _, r := range reads {
		size[r] = r.Saw.Len()
	}
	slices.SortStableFunc(reads, func(a, b *Operation) int { return cmp.Compare(size[a], size[b]) })
	seen := make(map[Row]bool, len(appends))
	last := &Operation{}
	for _, r := range reads {
		rows := r.Saw.minus(last.Saw)
		if len(rows) != size[r]-size[last] {
			return nil, []string{disagree(last, r)}
		}
		var added []*Operation
		for _, row := range rows {
			a := appends[row]
			if a == nil || a.Outcome == Failed {
				wrong = append(wrong, nowhere(r, row, a))
				continue
			}
			seen[row] = true
			added = append(added, a)
		}
		if len(rows) > 0 || len(layers) == 0 {
			layers = append(layers, added, nil)
		}
		layers[len(layers)-1] = append(layers[len(layers)-1], r)
		last = r
	}
	var unseen []*Operation
	for row, a := range appends {
		if !seen[row] && a.Outcome == OK {
			unseen = append(unseen, a)
		}
	}
	return append(layers, unseen), wrong[:min(len(wrong), maxTold)]
}

// nowhere tells of a row that should not be in any read; a is its append, if there was one.
func nowhere(r *Operation, row Row, a *Operation) string {
	if a == nil {
		return fmt.Sprintf("row out of nowhere: %v saw %v, which nobody appended", r, row)
	}
	return fmt.Sprintf("phantom row: %v saw %v, but there was: %v: %s", r, row, a, a.Err)
}

// disagree tells what two reads saw of which neither is a part of the other.
func disagree(a, b *Operation) string {
	return fmt.Sprintf("reads disagree: %v saw %v and not %v; %v saw it the other way round", a, missing(a, b), missing(b, a), b)
}

// missing returns one of the rows that one read saw and another did not.
func missing(saw, not *Operation) Row {
	if rows := saw.Saw.minus(not.Saw); len(rows) > 0 {
		return rows[0]
	}
	return Row{}
}

// twice tells of reads that saw a row more than once.
func twice(reads []*Operation) (wrong []string) {
	for _, r := range reads {
		for writer, numbers := range r.Saw {
			for i := 1; i < len(numbers) && len(wrong) < maxTold; i++ {
				if numbers[i].First <= numbers[i-1].Last {
					wrong = append(wrong, fmt.Sprintf("row twice: %v saw %v more than once", r, Row{writer, numbers[i].First}))
				}
			}
		}
	}
	return wrong
}

// explain says in one line why o, which ended before the other one was called, cannot
// come after it, as what was seen demands.
func explain(o, earlier *Operation, reads []*Operation) string {
	switch {
	case o.Kind == Appending && earlier.Kind == Reading:
		for _, r := range reads {
			if r.Call >= earlier.Call && r.Saw.Has(o.Row) {
				return fmt.Sprintf("stale read: %v did not see what was acknowledged before it: %v; it was seen later: %v", earlier, o, r)
			}
		}
		return fmt.Sprintf("lost row: %v did not see what was acknowledged before it: %v; nobody saw it afterwards", earlier, o)
	case o.Kind == Appending:
		for _, r := range reads {
			if r.Saw.Has(earlier.Row) && !r.Saw.Has(o.Row) {
				return fmt.Sprintf("lost row: %v saw a later row and not an earlier one: %v came after %v", r, earlier, o)
			}
		}
	case earlier.Kind == Appending:
		return fmt.Sprintf("row before its time: %v saw what was begun only afterwards: %v", o, earlier)
	}
	return fmt.Sprintf("read of the past: %v saw what %v, later, did not: %v", o, earlier, missing(o, earlier))
}
