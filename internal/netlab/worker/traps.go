package main

import (
	"bytes"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/holdfastdb/holdfast/backends/leasefile"
	"github.com/holdfastdb/holdfast/internal/netlab/workload"
)

// An operation is one of the file system.
type operation struct {
	kind string
	name string // path
	to   string // of a rename
	data []byte // of a write to the register
}

// ofRegister reports whether the operation is on the register, or its directory.
func (o operation) ofRegister() bool { return ofRegister(o.name) || ofRegister(o.to) }

func ofRegister(name string) bool {
	return strings.HasSuffix(name, leasefile.Suffix) || strings.Contains(name, leasefile.Suffix+string(filepath.Separator)) ||
		strings.Contains(name, leasefile.Suffix+".")
}

// looks reports whether the operation changes nothing.
func (o operation) looks() bool {
	switch o.kind {
	case workload.OpOpen, workload.OpRead, workload.OpList, workload.OpStat:
		return true
	}
	return false
}

// beginsTakeover reports whether the operation writes a record that has a takeover.
func (o operation) beginsTakeover() bool {
	return o.ofRegister() && bytes.Contains(o.data, []byte(`"takeover": {`))
}

// traps are those of the process. What passes while none is set costs one load.
type traps struct {
	say   func(workload.Event)
	armed atomic.Int32

	mu  sync.Mutex
	all []*trap // guarded by mu
}

// A trap is one that is set.
type trap struct {
	workload.Trap
	counts  bool          // it is after Since
	n       int           // operations that fitted
	release chan struct{} // closed to let go what it holds
}

// set sets a trap, in place of one by the same ID.
func (t *traps) set(w workload.Trap) error {
	if _, err := path.Match(w.Name, ""); err != nil {
		return fmt.Errorf("%w: the name %q is no pattern", errUsage, w.Name)
	}
	if w.Since != "" && w.Since != workload.SinceTakeover {
		return fmt.Errorf("%w: a trap does not know since %q", errUsage, w.Since)
	}
	t.letGo(w.ID)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = append(t.all, &trap{Trap: w, counts: w.Since == "", release: make(chan struct{})})
	t.armed.Store(int32(len(t.all)))
	return nil
}

// letGo takes a trap away, and lets go what it holds. It returns what it counted.
func (t *traps) letGo(id string) (n int, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.IndexFunc(t.all, func(s *trap) bool { return s.ID == id })
	if i < 0 {
		return 0, fmt.Errorf("%w: there is no trap %q", errUsage, id)
	}
	n = t.all[i].n
	close(t.all[i].release)
	t.all = slices.Delete(t.all, i, i+1)
	t.armed.Store(int32(len(t.all)))
	return n, nil
}

// end takes all away, for good.
func (t *traps) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.all {
		close(s.release)
	}
	t.all = nil
	t.armed.Store(0)
}

// meet has an operation done, and held before or after by the traps that it meets.
func (t *traps) meet(o operation, do func()) {
	if t == nil || t.armed.Load() == 0 {
		do()
		return
	}
	sprung := t.spring(o)
	for _, s := range sprung {
		if !s.After {
			t.hold(s, o)
		}
	}
	do()
	for _, s := range sprung {
		if s.After {
			t.hold(s, o)
		}
	}
}

// spring counts an operation, and returns the traps whose turn has come.
func (t *traps) spring(o operation) (sprung []*trap) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.all {
		s.counts = s.counts || o.beginsTakeover()
		if !s.counts || !s.fits(o) {
			continue
		}
		if s.n++; s.n == max(s.N, 1) {
			sprung = append(sprung, s)
		}
	}
	return sprung
}

func (t *traps) hold(s *trap, o operation) {
	t.say(workload.Event{Event: workload.EventTrapped, Trap: s.ID, Op: o.kind, Name: o.name, To: o.to, After: s.After, Count: max(s.N, 1)})
	<-s.release
}

func (s *trap) fits(o operation) bool {
	switch {
	case slices.Contains(s.Ops, o.kind):
	case slices.Contains(s.Ops, workload.OpAny):
		if o.looks() && o.ofRegister() {
			return false
		}
	case len(s.Ops) > 0 || o.looks():
		return false
	}
	return s.Name == "" || matches(s.Name, o.name) || o.to != "" && matches(s.Name, o.to)
}

func matches(pattern, name string) bool {
	ok, _ := path.Match(pattern, filepath.Base(name))
	return ok
}
