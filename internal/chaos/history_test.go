//go:build linux

package chaos

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// An operation is one read or write of a register, as its client saw it. Each
// write has a value of its own, which is the operation's ID, so that whoever reads
// a value names the write. A register is 0 at first.
type operation struct {
	ID      int64
	Client  int
	Kind    string // read, write or swap, which reads and writes at once
	Key     int
	Outcome string // ok, failed (nothing happened) or unknown
	Saw     int64  // what it read; -1: nothing
	Call    int64  // by monotonic
	Return  int64  // 0: never
	Err     string
}

const (
	kindRead  = "read"
	kindWrite = "write"
	kindSwap  = "swap"

	outcomeOK      = "ok"
	outcomeFailed  = "failed"
	outcomeUnknown = "unknown"

	nothing = -1
)

func (o *operation) writes() bool { return o.Kind != kindRead }
func (o *operation) reads() bool  { return o.Kind != kindWrite && o.Saw != nothing }

// settle makes a history that can be checked of one with failures and unknown
// outcomes.
//
// What failed did not happen: it goes, and if somebody saw its value all the same,
// that value comes from nowhere. What is unknown may have happened at any time
// after its call, or never. If nobody saw its value, one may as well say never:
// nothing that anybody saw depends on it. If somebody did, it happened before that
// one returned. That leaves as many linearizations as there were, and few enough
// to be searched.
func settle(history []*operation) []porcupine.Operation {
	seen := make(map[int64]int64) // by value: until when it must have been written
	pending := make(map[int64]*operation)
	var happened []*operation
	add := func(o *operation) {
		happened = append(happened, o)
		for {
			if !o.reads() {
				return
			}
			if before, known := seen[o.Saw]; !known || o.Return < before {
				seen[o.Saw] = o.Return
			}
			// The one who was seen may itself be of unknown outcome, and have seen another.
			next := pending[o.Saw]
			if next == nil || next.Return != 0 && next.Return <= o.Return {
				return
			}
			if next.Return == 0 {
				happened = append(happened, next)
			}
			next.Return = max(next.Call, o.Return)
			o = next
		}
	}
	for _, o := range history {
		if o.Outcome == outcomeUnknown && o.writes() {
			late := *o
			late.Return = 0
			pending[o.ID] = &late
		}
	}
	for _, o := range history {
		if o.Outcome == outcomeOK {
			add(o)
		}
	}
	settled := make([]porcupine.Operation, len(happened))
	for i, o := range happened {
		settled[i] = porcupine.Operation{ClientId: o.Client, Input: o, Output: o, Call: o.Call, Return: o.Return}
	}
	return settled
}

// registers is the model: each key holds the value that was written last.
var registers = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byKey := make(map[int][]porcupine.Operation)
		for _, o := range history {
			key := o.Input.(*operation).Key
			byKey[key] = append(byKey[key], o)
		}
		var parts [][]porcupine.Operation
		for _, part := range byKey {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() any { return int64(0) },
	Step: func(state, input, _ any) (bool, any) {
		o, value := input.(*operation), state.(int64)
		if o.reads() && o.Saw != value {
			return false, value
		}
		if o.writes() {
			value = o.ID
		}
		return true, value
	},
}

// linearizable checks a history. It fails the test as well if that takes too long.
func linearizable(t *testing.T, history []*operation) {
	t.Helper()
	settled := settle(history)
	start := time.Now()
	result := porcupine.CheckOperationsTimeout(registers, settled, 2*time.Minute)
	t.Logf("history: %d operations, %d of them settled, %v after %v", len(history), len(settled), result, time.Since(start).Round(time.Millisecond))
	if result == porcupine.Ok {
		return
	}
	t.Errorf("the history is not linearizable: %v", result)
	for _, part := range registers.Partition(settled) {
		if porcupine.CheckOperationsTimeout(registers, part, time.Minute) != porcupine.Ok {
			explain(t, part)
		}
	}
}

// explain tells where the history of one key goes wrong: the end of the longest
// order that can be given to it, and what had returned and finds no place after it.
func explain(t *testing.T, part []porcupine.Operation) {
	t.Helper()
	_, info := porcupine.CheckOperationsVerbose(registers, part, time.Minute)
	var longest []porcupine.Operation
	for _, order := range info.PartialLinearizationsOperations()[0] {
		if len(order) > len(longest) {
			longest = order
		}
	}
	placed := make(map[any]bool)
	for _, o := range longest {
		placed[o.Input] = true
	}
	for _, o := range longest[max(0, len(longest)-8):] {
		t.Logf("in order: %+v", *o.Input.(*operation))
	}
	slices.SortFunc(part, func(a, b porcupine.Operation) int { return cmp.Compare(a.Return, b.Return) })
	shown := 0
	for _, o := range part {
		if !placed[o.Input] && shown < 8 {
			t.Logf("no place for: %+v", *o.Input.(*operation))
			shown++
		}
	}
}
