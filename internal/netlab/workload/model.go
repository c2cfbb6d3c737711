package workload

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// searchLimit bounds the search for an order. Histories of ten thousand operations
// take about a second.
const searchLimit = 2 * time.Minute

// A contents is a set of rows, in a form that is small and quick to compare: how many
// they are, and the sum of their hashes. Two sets that differ have sums of 128 bits
// that do.
type contents struct {
	count  int
	hi, lo uint64
}

func (c contents) plus(o contents) contents {
	return contents{c.count + o.count, c.hi + o.hi, c.lo + o.lo}
}

func (c contents) less(o contents) contents {
	return contents{c.count - o.count, c.hi - o.hi, c.lo - o.lo}
}

func contentsOf(r Row) contents {
	sum := sha256.Sum256([]byte(r.String()))
	return contents{1, binary.BigEndian.Uint64(sum[:]), binary.BigEndian.Uint64(sum[8:])}
}

// A step is an operation as porcupine sees it: a read of that, or an append of it.
type step struct {
	read bool
	contents
}

// grows is the model: rows are only ever added, and a read sees all of them. It cannot
// be checked in parts, since a read sees the rows of all writers at one moment.
var grows = porcupine.Model{
	Init: func() any { return contents{} },
	Step: func(state, input, _ any) (bool, any) {
		s, now := input.(step), state.(contents)
		if s.read {
			return s.contents == now, now
		}
		return true, now.plus(s.contents)
	},
}

// settled makes a history that can be searched of one with failures and unknown
// outcomes. What failed goes. What is unknown and was seen happened before the first
// of those who saw it returned; if nobody saw it, one may as well say never, since
// nothing depends on it. So only as many operations overlap as there are connections.
func settled(ops []*Operation) (history []porcupine.Operation) {
	appends, reads := split(ops)
	sums := newSums(appends)
	slices.SortFunc(reads, func(a, b *Operation) int { return cmp.Compare(a.Return, b.Return) })
	seen := make(map[Row]time.Duration) // since when
	last := &Operation{}
	for _, r := range reads {
		for _, row := range r.Saw.minus(last.Saw) {
			if _, before := seen[row]; !before {
				seen[row] = r.Return
			}
		}
		last = r
		history = append(history, porcupine.Operation{Input: step{true, sums.of(r.Saw)}, Call: int64(r.Call), Return: int64(r.Return)})
	}
	for row, a := range appends {
		end, happened := a.Return, a.Outcome == OK
		if a.Outcome == Unknown {
			end, happened = seen[row]
			end = max(end, a.Call)
		}
		if happened {
			history = append(history, porcupine.Operation{Input: step{false, contentsOf(row)}, Call: int64(a.Call), Return: int64(end)})
		}
	}
	return history
}

// sums are those of the first numbers of each writer.
type sums map[string][]contents

func newSums(appends map[Row]*Operation) sums {
	most := make(map[string]int)
	for row := range appends {
		most[row.Writer] = max(most[row.Writer], row.N)
	}
	s := make(sums)
	for writer, n := range most {
		s[writer] = make([]contents, n+1)
		for i := 1; i <= n; i++ {
			s[writer][i] = s[writer][i-1].plus(contentsOf(Row{writer, i}))
		}
	}
	return s
}

func (s sums) of(l Ledger) (all contents) {
	for writer, numbers := range l {
		for _, r := range numbers {
			if r.First > 0 && r.Last < len(s[writer]) {
				all = all.plus(s[writer][r.Last].less(s[writer][r.First-1]))
				continue
			}
			for n := r.First; n <= r.Last; n++ { // rows that nobody appended
				all = all.plus(contentsOf(Row{writer, n}))
			}
		}
	}
	return all
}

// unlinearizable returns what porcupine says of a history, if that is not that it is in
// order.
func unlinearizable(ops []*Operation) []string {
	history := settled(ops)
	switch result := porcupine.CheckOperationsTimeout(grows, history, searchLimit); result {
	case porcupine.Ok:
		return nil
	case porcupine.Illegal:
		return []string{fmt.Sprintf("not linearizable: %d operations have no order, says porcupine", len(history))}
	default:
		return []string{fmt.Sprintf("not checked: porcupine found no answer for %d operations within %v", len(history), searchLimit)}
	}
}
