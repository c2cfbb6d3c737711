package workload

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A Row names one row of the ledger.
type Row struct {
	Writer string
	N      int
}

func (r Row) String() string { return fmt.Sprintf("%s/%d", r.Writer, r.N) }

// A Ledger tells exactly which rows are there: the numbers of each writer's, as in
// "1-57,59". A row that is there twice is told twice.
type Ledger map[string]Numbers

// Numbers are ranges of numbers, in ascending order. Their text is "1-57,59".
type Numbers []Range

// A Range is from First to Last.
type Range struct{ First, Last int }

// Add adds a number that is not smaller than those that are there.
func (s *Numbers) Add(n int) {
	if end := len(*s) - 1; end >= 0 && (*s)[end].Last == n-1 {
		(*s)[end].Last = n
		return
	}
	*s = append(*s, Range{n, n})
}

// Has reports whether n is there.
func (s Numbers) Has(n int) bool {
	i, _ := slices.BinarySearchFunc(s, n, func(r Range, n int) int { return cmp.Compare(r.Last, n) })
	return i < len(s) && s[i].First <= n
}

// MarshalText implements [encoding.TextMarshaler].
func (s Numbers) MarshalText() ([]byte, error) {
	var text []byte
	for i, r := range s {
		if i > 0 {
			text = append(text, ',')
		}
		text = strconv.AppendInt(text, int64(r.First), 10)
		if r.Last != r.First {
			text = append(text, '-')
			text = strconv.AppendInt(text, int64(r.Last), 10)
		}
	}
	return text, nil
}

// UnmarshalText is the inverse of MarshalText.
func (s *Numbers) UnmarshalText(text []byte) error {
	*s = nil
	if len(text) == 0 {
		return nil
	}
	for part := range strings.SplitSeq(string(text), ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		r := Range{}
		var err error
		if r.First, err = strconv.Atoi(first); err == nil {
			r.Last, err = strconv.Atoi(last)
		}
		if err != nil || r.Last < r.First {
			return fmt.Errorf("workload: %q is no range of numbers", part)
		}
		*s = append(*s, r)
	}
	return nil
}

// All yields the rows.
func (l Ledger) All(yield func(Row) bool) {
	for writer, numbers := range l {
		for _, r := range numbers {
			for n := r.First; n <= r.Last; n++ {
				if !yield(Row{writer, n}) {
					return
				}
			}
		}
	}
}

// Has reports whether a row is there.
func (l Ledger) Has(r Row) bool { return l[r.Writer].Has(r.N) }

// Len returns how many rows there are.
func (l Ledger) Len() (n int) {
	for _, numbers := range l {
		for _, r := range numbers {
			n += r.Last - r.First + 1
		}
	}
	return n
}

// minus returns the rows of l that are not in other, by writers and numbers.
func (l Ledger) minus(other Ledger) (rows []Row) {
	for _, writer := range slices.Sorted(maps.Keys(l)) {
		for _, r := range l[writer].minus(other[writer]) {
			for n := r.First; n <= r.Last; n++ {
				rows = append(rows, Row{writer, n})
			}
		}
	}
	return rows
}

func (s Numbers) minus(other Numbers) (left Numbers) {
	for _, r := range s {
		for n := r.First; n <= r.Last; {
			for len(other) > 0 && other[0].Last < n {
				other = other[1:]
			}
			if len(other) > 0 && other[0].First <= n {
				n = other[0].Last + 1
				continue
			}
			end := r.Last
			if len(other) > 0 {
				end = min(end, other[0].First-1)
			}
			left = append(left, Range{n, end})
			n = end + 1
		}
	}
	return left
}

// A Run is rows of one writer that follow each other in the ledger.
type Run struct {
	Writer string `json:"w"`
	First  int    `json:"a"`
	Last   int    `json:"b"`
}

// AddRun adds a row to the end of runs.
func AddRun(runs []Run, r Row) []Run {
	if end := len(runs) - 1; end >= 0 && runs[end].Writer == r.Writer && runs[end].Last == r.N-1 {
		runs[end].Last = r.N
		return runs
	}
	return append(runs, Run{r.Writer, r.N, r.N})
}

// Rows returns the ledger of an audit, in its order.
func (a *Audit) Rows() (rows []Row) {
	for _, run := range a.Runs {
		for n := run.First; n <= run.Last; n++ {
			rows = append(rows, Row{run.Writer, n})
		}
	}
	return rows
}
