package locktest

import (
	"testing"

	"github.com/holdfastdb/holdfast/locking"
)

func TestHistoryVerify(t *testing.T) {
	swapped := func(from, to, value string) swap {
		return swap{from: locking.Version(from), to: seen{locking.Version(to), value}}
	}
	inDoubt := func(from, value string) swap {
		return swap{from: locking.Version(from), to: seen{value: value}, doubt: true}
	}
	read := func(pairs ...string) (reads []seen) {
		for i := 0; i < len(pairs); i += 2 {
			reads = append(reads, seen{locking.Version(pairs[i]), pairs[i+1]})
		}
		return reads
	}
	for _, row := range []struct {
		name  string
		swaps []swap
		reads []seen
		final locking.Version
		bad   bool
	}{
		{name: "a chain", final: "2", swaps: []swap{swapped("1", "2", "b"), swapped("", "1", "a")}, reads: read("", "", "1", "a", "2", "b")},
		{name: "doubt that took effect", final: "3", swaps: []swap{swapped("", "1", "a"), inDoubt("1", "b"), swapped("2", "3", "c")}, reads: read("2", "b", "3", "c")},
		{name: "doubt that did not", final: "2", swaps: []swap{swapped("", "1", "a"), inDoubt("1", "x"), swapped("1", "2", "b")}},
		{name: "nothing", bad: true},
		{name: "two winners", final: "3", bad: true, swaps: []swap{swapped("", "1", "a"), swapped("1", "2", "b"), swapped("1", "3", "c")}},
		{name: "two winners, one in doubt", final: "3", bad: true, swaps: []swap{swapped("", "1", "a"), inDoubt("1", "b"), swapped("1", "3", "c")}, reads: read("2", "b", "3", "c")},
		{name: "lost update", final: "1", bad: true, swaps: []swap{swapped("", "1", "a"), swapped("1", "2", "b")}},
		{name: "effect of nobody", final: "2", bad: true, swaps: []swap{swapped("", "1", "a")}, reads: read("2", "b")},
		{name: "side branch seen", final: "1", bad: true, swaps: []swap{swapped("", "1", "a")}, reads: read("9", "x", "1", "a")},
		{name: "version came back", final: "1", bad: true, swaps: []swap{swapped("", "1", "a"), swapped("1", "2", "b"), swapped("2", "1", "a")}},
		{name: "version with two values", final: "1", bad: true, swaps: []swap{swapped("", "1", "a")}, reads: read("1", "b")},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := record{swaps: row.swaps, reads: row.reads}
			if err := h.verify(row.final); (err != nil) != row.bad {
				t.Errorf("verify = %v, want an error: %v", err, row.bad)
			}
		})
	}
}
