//go:build linux

package chaos

import (
	"testing"

	"github.com/anishathalye/porcupine"
)

// The checker finds what it is there to find, and nothing else.
func TestHistories(t *testing.T) {
	const ok, failed, unknown = outcomeOK, outcomeFailed, outcomeUnknown
	read := func(saw, call, ret int64) *operation {
		return &operation{Kind: kindRead, Outcome: ok, Saw: saw, Call: call, Return: ret}
	}
	write := func(id int64, outcome string, call, ret int64) *operation {
		return &operation{ID: id, Kind: kindWrite, Outcome: outcome, Saw: nothing, Call: call, Return: ret}
	}
	swap := func(id, saw int64, outcome string, call, ret int64) *operation {
		return &operation{ID: id, Kind: kindSwap, Outcome: outcome, Saw: saw, Call: call, Return: ret}
	}
	for _, tt := range []struct {
		name    string
		history []*operation
		want    bool
	}{
		{"in order", []*operation{write(1, ok, 1, 2), read(1, 3, 4)}, true},
		{"read while it is written", []*operation{write(1, ok, 1, 9), read(1, 2, 3), read(1, 4, 5)}, true},
		{"stale read", []*operation{write(1, ok, 1, 2), read(0, 3, 4)}, false},
		{"lost write", []*operation{write(1, ok, 1, 2), read(1, 3, 4), read(0, 5, 6)}, false},
		{"back and forth", []*operation{write(1, ok, 1, 9), read(1, 2, 3), read(0, 4, 5)}, false},
		{"two swaps of one value", []*operation{swap(1, 0, ok, 1, 2), swap(2, 0, ok, 3, 4)}, false},
		{"two swaps in order", []*operation{swap(1, 0, ok, 1, 2), swap(2, 1, ok, 3, 4)}, true},
		{"another key", []*operation{write(1, ok, 1, 2), {Kind: kindRead, Outcome: ok, Key: 7, Call: 3, Return: 4}}, true},

		{"failed and not seen", []*operation{write(1, failed, 1, 2), read(0, 3, 4)}, true},
		{"failed and seen", []*operation{write(1, failed, 1, 2), read(1, 3, 4)}, false},
		{"failed read of anything", []*operation{{Kind: kindRead, Outcome: failed, Saw: 5, Call: 1, Return: 2}}, true},

		{"unknown and not seen", []*operation{write(1, unknown, 1, 0), read(0, 3, 4)}, true},
		{"unknown and seen", []*operation{write(1, unknown, 1, 0), read(1, 3, 4)}, true},
		{"unknown and seen late", []*operation{write(1, unknown, 1, 2), read(0, 3, 4), read(1, 5, 6)}, true},
		{"unknown, seen and gone", []*operation{write(1, unknown, 1, 2), read(1, 3, 4), read(0, 5, 6)}, false},
		{"unknown and seen before its call", []*operation{read(1, 1, 2), write(1, unknown, 3, 0)}, false},
		{"unknown after a later write", []*operation{write(1, unknown, 1, 0), write(2, ok, 3, 4), read(1, 5, 6)}, true},
		{"unknown between, and back", []*operation{write(1, unknown, 1, 0), write(2, ok, 3, 4), read(1, 5, 6), read(2, 7, 8)}, false},
		{"one unknown saw another", []*operation{write(1, unknown, 1, 0), swap(2, 1, unknown, 3, 0), read(2, 5, 6)}, true},
		{"one unknown saw another too early", []*operation{swap(2, 1, unknown, 1, 0), read(2, 3, 4), write(1, unknown, 5, 0)}, false},
		{"an unknown swap saw what was gone", []*operation{write(1, ok, 1, 2), swap(2, 0, unknown, 3, 0), read(2, 5, 6)}, false},
		{"an unknown swap that nobody saw", []*operation{write(1, ok, 1, 2), swap(2, 0, unknown, 3, 0), read(1, 5, 6)}, true},
		{"an unknown swap that read nothing", []*operation{write(1, ok, 1, 2), swap(2, nothing, unknown, 3, 0), read(2, 5, 6)}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := porcupine.CheckOperations(registers, settle(tt.history)); got != tt.want {
				t.Errorf("linearizable: %v, want %v", got, tt.want)
			}
		})
	}
}
