package workload

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// historyOf makes a history of operations whose times are given in seconds.
func historyOf(ops ...*Operation) *History { return &History{ops: ops} }

func appended(n int, outcome string, call, end int) *Operation {
	o := &Operation{Client: "a.1", Kind: Appending, Row: Row{"w", n}, Outcome: outcome, Call: time.Duration(call), Return: time.Duration(end)}
	if end == 0 {
		o.Return = Never
	}
	return o
}

// saw is a read of some rows of writer w.
func saw(call, end int, rows ...int) *Operation {
	o := &Operation{Client: "b.1", Kind: Reading, Outcome: OK, Saw: Ledger{}, Total: Accounts * Balance, Call: time.Duration(call), Return: time.Duration(end)}
	var numbers Numbers
	for _, n := range rows {
		numbers.Add(n)
	}
	if len(numbers) > 0 {
		o.Saw["w"] = numbers
	}
	return o
}

// The checker finds what it is there to find, and nothing else.
func TestCheck(t *testing.T) {
	poor := saw(3, 4, 1)
	poor.Total--
	damaged := &Operation{Client: "b.1", Kind: Reading, Outcome: Failed, Why: KindCorrupt, Err: "malformed"}
	for _, tt := range []struct {
		name    string
		history []*Operation
		want    string // the beginning of what is wrong; "": nothing
	}{
		{"nothing", nil, ""},
		{"in order", []*Operation{appended(1, OK, 1, 2), saw(3, 4, 1), appended(2, OK, 5, 6), saw(7, 8, 1, 2)}, ""},
		{"read before all", []*Operation{saw(1, 2), appended(1, OK, 3, 4)}, ""},
		{"seen while it is appended", []*Operation{appended(1, OK, 1, 9), saw(2, 3, 1), saw(4, 5, 1)}, ""},
		{"not seen while it is appended", []*Operation{appended(1, OK, 1, 9), saw(2, 3), saw(4, 5, 1)}, ""},
		{"two at once, either first", []*Operation{appended(1, OK, 1, 9), appended(2, OK, 1, 9), saw(2, 3, 2), saw(4, 5, 1, 2)}, ""},
		{"touching", []*Operation{appended(1, OK, 1, 2), saw(2, 3)}, ""},

		{"lost row", []*Operation{appended(1, OK, 1, 2), saw(3, 4), saw(5, 6)}, "lost row"},
		{"lost row that was seen", []*Operation{appended(1, OK, 1, 2), saw(3, 4, 1), saw(5, 6)}, "lost row"},
		{"lost row of two", []*Operation{appended(1, OK, 1, 2), appended(2, OK, 3, 4), saw(5, 6, 2)}, "lost row"},
		{"later row without an earlier one", []*Operation{saw(1, 9, 2), appended(1, OK, 2, 3), appended(2, OK, 4, 5)}, "lost row"},
		{"stale read", []*Operation{appended(1, OK, 1, 2), saw(3, 4), saw(5, 6, 1)}, "stale read"},
		{"back and forth", []*Operation{appended(1, OK, 1, 9), saw(2, 3, 1), saw(4, 5), saw(6, 7, 1)}, "read of the past"},
		{"seen before it was begun", []*Operation{saw(1, 2, 1), appended(1, OK, 3, 4)}, "row before its time"},
		{"reads that see different rows", []*Operation{appended(1, OK, 1, 9), appended(2, OK, 1, 9), saw(2, 3, 1), saw(2, 3, 2)}, "reads disagree"},
		{"row out of nowhere", []*Operation{appended(1, OK, 1, 2), saw(3, 4, 1, 7)}, "row out of nowhere"},
		{"row twice", []*Operation{appended(1, OK, 1, 2), saw(3, 4, 1, 1)}, "row twice"},
		{"wrong total", []*Operation{appended(1, OK, 1, 2), poor}, "wrong total"},
		{"damaged", []*Operation{damaged}, "corrupt database"},

		{"failed and not seen", []*Operation{appended(1, Failed, 1, 2), saw(3, 4)}, ""},
		{"phantom row", []*Operation{appended(1, Failed, 1, 2), saw(3, 4, 1)}, "phantom row"},
		{"failed read", []*Operation{appended(1, OK, 1, 2), {Kind: Reading, Outcome: Failed, Call: 3, Return: 4}}, ""},

		{"unknown and not seen", []*Operation{appended(1, Unknown, 1, 0), saw(3, 4)}, ""},
		{"unknown and seen", []*Operation{appended(1, Unknown, 1, 0), saw(3, 4, 1)}, ""},
		{"unknown and seen late", []*Operation{appended(1, Unknown, 1, 2), saw(3, 4), saw(5, 6, 1)}, ""},
		{"unknown, seen and gone", []*Operation{appended(1, Unknown, 1, 2), saw(3, 4, 1), saw(5, 6)}, "read of the past"},
		{"unknown, seen before its call", []*Operation{saw(1, 2, 1), appended(1, Unknown, 3, 0)}, "row before its time"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := historyOf(tt.history...).Check()
			if tt.want == "" && len(got) > 0 || tt.want != "" && (len(got) == 0 || !strings.HasPrefix(got[0], tt.want+":")) {
				t.Errorf("Check() = %q, want %q", got, tt.want)
			}
			for _, line := range got {
				if strings.Contains(line, "\n") {
					t.Errorf("%q is more than a line", line)
				}
			}
		})
	}
}

// Both ways to judge come to the same, whatever is done to a history.
func TestBothJudgesAgree(t *testing.T) {
	const rounds = 4000
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	orderly := 0
	for round := range rounds {
		ops := invented(rng, 1+rng.IntN(14), 1+rng.IntN(4))
		for range rng.IntN(6) {
			spoil(rng, ops)
		}
		direct, searched := unordered(ops), unlinearizable(ops)
		if (len(direct) == 0) != (len(searched) == 0) {
			t.Fatalf("seed %d, round %d: %q, and porcupine says %q, of\n%s", seed, round, direct, searched, list(ops))
		}
		if len(direct) == 0 {
			orderly++
		}
	}
	if orderly < rounds/4 || orderly > rounds*3/4 {
		t.Errorf("%d of %d histories are in order: that is no fair mix", orderly, rounds)
	}
}

func list(ops []*Operation) string {
	var b strings.Builder
	for _, o := range ops {
		fmt.Fprintf(&b, "%v %v\n", o, o.Saw)
	}
	return b.String()
}

// invented makes a history that has an order: each operation takes effect at some
// moment between its call and its return.
func invented(rng *rand.Rand, n, clients int) (ops []*Operation) {
	at := make([]int, clients)
	rows := make(map[int]int)
	effect := make(map[*Operation]int)
	for range n {
		c := rng.IntN(clients)
		call := at[c] + rng.IntN(4)
		moment := call + rng.IntN(6)
		end := moment + rng.IntN(6)
		at[c] = end + 1
		o := &Operation{Client: fmt.Sprint(c), Kind: Reading, Outcome: OK, Call: time.Duration(call), Return: time.Duration(end)}
		if rng.IntN(2) == 0 {
			rows[c]++
			o.Kind, o.Row = Appending, Row{fmt.Sprint("w", c), rows[c]}
			if rng.IntN(4) == 0 {
				o.Outcome = Unknown
			}
		}
		effect[o] = moment
		ops = append(ops, o)
	}
	order := slices.Clone(ops)
	slices.SortStableFunc(order, func(a, b *Operation) int { return effect[a] - effect[b] })
	now := make(Ledger)
	for _, o := range order {
		switch {
		case o.Kind == Appending && (o.Outcome == OK || rng.IntN(2) == 0):
			numbers := now[o.Row.Writer]
			numbers.Add(o.Row.N) // a client is done with one before it begins the next
			now[o.Row.Writer] = numbers
		case o.Kind == Reading:
			o.Saw = make(Ledger)
			for writer, numbers := range now {
				o.Saw[writer] = slices.Clone(numbers)
			}
		}
	}
	return ops
}

func ledgerOf(rows map[Row]bool) Ledger {
	l := make(Ledger)
	var all []Row
	for r := range rows {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b Row) int { return a.N - b.N })
	for _, r := range all {
		numbers := l[r.Writer]
		numbers.Add(r.N)
		l[r.Writer] = numbers
	}
	return l
}

// spoil changes a history in a way that may take its order away.
func spoil(rng *rand.Rand, ops []*Operation) {
	o := ops[rng.IntN(len(ops))]
	switch {
	case rng.IntN(3) == 0:
		length := o.Return - o.Call
		o.Call = time.Duration(rng.IntN(40))
		o.Return = o.Call + length
	case o.Kind == Appending:
		o.Outcome = []string{OK, Failed, Unknown}[rng.IntN(3)]
	default:
		rows := make(map[Row]bool)
		for r := range o.Saw.All {
			rows[r] = true
		}
		other := ops[rng.IntN(len(ops))]
		if other.Kind == Appending {
			rows[other.Row] = !rows[other.Row]
		}
		for r, there := range rows {
			if !there {
				delete(rows, r)
			}
		}
		o.Saw = ledgerOf(rows)
	}
}

// Some thousand operations of eight connections, one of which hangs for most of the
// time, are judged soon.
func TestCheckIsFast(t *testing.T) {
	const operations = 8000
	rng := rand.New(rand.NewPCG(1, 2))
	ops := invented(rng, operations, 8)
	for i, o := range ops {
		o.Total = Accounts * Balance
		if o.Kind == Appending && o.Outcome == Unknown && i%50 == 0 {
			o.Return = Never
		}
	}
	start := time.Now()
	if wrong := historyOf(ops...).Check(); len(wrong) > 0 {
		t.Errorf("Check() = %q, want nothing", wrong)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("it took %v", took)
	} else {
		t.Logf("%d operations in %v", operations, took.Round(time.Millisecond))
	}
}

func TestFinal(t *testing.T) {
	h := historyOf(appended(1, OK, 1, 2), appended(2, Failed, 3, 4), appended(3, Unknown, 5, 0), appended(4, OK, 7, 8))
	audit := func(rows ...int) *Audit {
		a := &Audit{Total: Accounts * Balance}
		for _, n := range rows {
			a.Runs = AddRun(a.Runs, Row{"w", n})
		}
		return a
	}
	poor, torn := audit(1, 4), audit(1, 4)
	poor.Total++
	torn.Problems = []string{"integrity_check: something"}
	for _, tt := range []struct {
		name  string
		audit *Audit
		want  string
	}{
		{"without the unknown one", audit(1, 4), ""},
		{"with it", audit(1, 3, 4), ""},
		{"with it late", audit(1, 4, 3), ""},
		{"lost row", audit(1), "lost row"},
		{"lost rows", audit(), "lost row"},
		{"phantom row", audit(1, 2, 4), "phantom row"},
		{"row out of nowhere", audit(1, 4, 5), "row out of nowhere"},
		{"row twice", audit(1, 4, 4), "row twice"},
		{"wrong order", audit(4, 1), "rows in a wrong order"},
		{"wrong total", poor, "wrong total"},
		{"not intact", torn, "integrity_check"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := h.Final(tt.audit)
			if tt.want == "" && len(got) > 0 || tt.want != "" && (len(got) == 0 || !strings.HasPrefix(got[0], tt.want+":")) {
				t.Errorf("Final() = %q, want %q", got, tt.want)
			}
		})
	}
}
