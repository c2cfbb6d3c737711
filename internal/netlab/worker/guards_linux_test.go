package main

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfastdb/holdfast/internal/netlab/workload"
)

// A pair is one worker that is to lose its lease in the middle of a commit, and one
// that takes over.
type pair struct {
	t            *testing.T
	victim, heir *process
	to           workload.Open // by the heir
	history      *workload.History
}

// newPair has the victim append something, to a database that nobody else has: one
// whose clock stands still would wait for ever.
func newPair(t *testing.T, mb int, victim, heir workload.Open) *pair {
	p := &pair{t, start(t, "victim"), start(t, "heir"), heir, workload.NewHistory()}
	p.heir.open(heir, "1")
	p.heir.must(workload.Command{Do: workload.DoSetup, Conn: "1", MB: mb})
	p.heir.must(workload.Command{Do: workload.DoClose, Conn: "1"})
	p.victim.open(victim, "1")
	if o := p.append(p.victim, "v", 1); o.Outcome != workload.OK {
		t.Fatalf("%v: %s", &o, o.Err)
	}
	return p
}

// append adds row n of a writer, which writes book n.
func (p *pair) append(by *process, writer string, n int) workload.Operation {
	ctx, cancel := by.soon()
	defer cancel()
	return p.history.Append(ctx, by.Client, "1", 0, *newAppend(writer, n, n))
}

// inherit has the heir take over, and append something.
func (p *pair) inherit() <-chan workload.Operation {
	reply := p.heir.does(workload.Command{Do: workload.DoOpen, Conn: "1", Open: &p.to})
	done := make(chan workload.Operation, 1)
	go func() {
		<-reply
		done <- p.append(p.heir, "h", 1)
	}()
	return done
}

// holds has the victim append, and holds it at an operation of that.
func (p *pair) holds(trap workload.Trap) <-chan workload.Operation {
	trap.ID = "x"
	p.victim.trap(trap)
	done := make(chan workload.Operation, 1)
	go func() { done <- p.append(p.victim, "v", 2) }()
	p.victim.trapped("x")
	return done
}

// wrong is what the heir finds at last.
func (p *pair) wrong() string {
	return strings.Join(append(p.history.Check(), p.history.Final(p.heir.audit("1"))...), "\n")
}

// demand fails the test unless there is damage exactly if a guard is removed.
func (p *pair) demand(removed bool, what string) {
	p.t.Helper()
	wrong := p.wrong()
	switch {
	case removed && !strings.Contains(wrong, what):
		p.t.Errorf("without the guard there is no %q, but: %s", what, wrong)
	case !removed && wrong != "":
		p.t.Errorf("with the guard there is damage: %s", wrong)
	default:
		first, _, _ := strings.Cut(wrong, "\n")
		p.t.Logf("it finds: %q", first)
	}
}

// both runs a test with a guard and without.
func both(t *testing.T, guard string, f func(t *testing.T, removed bool, without []string)) {
	for _, removed := range []bool{false, true} {
		t.Run(fmt.Sprintf("removed=%v", removed), func(t *testing.T) {
			t.Parallel()
			var without []string
			if removed {
				without = []string{guard}
			}
			f(t, removed, without)
		})
	}
}

// briefly is how the victim opens a database of these tests: its ttl is what the heir waits
// for.
func briefly(path string, without ...string) workload.Open {
	o := trapping(path, without...)
	o.TTL = time.Second
	return o
}

// finishing is when a commit finishes its journal.
var finishing = workload.Trap{Ops: []string{workload.OpTruncate, workload.OpRemove}, Name: "*-journal"}

// Who believes in its lease, and does not look before it says that a commit is done,
// says so of one that is lost.
func TestWithoutVerification(t *testing.T) {
	both(t, workload.GuardVerify, func(t *testing.T, removed bool, without []string) {
		path := newDatabase(t)
		p := newPair(t, 0, briefly(path, append(without, workload.GuardClock)...), trapping(path))
		done := p.holds(finishing)
		if o := <-p.inherit(); o.Outcome != workload.OK {
			t.Fatalf("%v: %s", &o, o.Err)
		}
		p.victim.letGo("x")
		o := <-done
		if want := map[bool]string{false: workload.Unknown, true: workload.OK}[removed]; o.Outcome != want || !removed && o.Why != workload.KindLost {
			t.Errorf("%v: %s; want %s", &o, o.Err, want)
		}
		p.demand(removed, "lost row")
	})
}

// A page that is written late lands on what the next holder wrote, unless that went on
// in a copy.
func TestWithoutTheFence(t *testing.T) {
	both(t, workload.GuardFence, func(t *testing.T, removed bool, without []string) {
		path := newDatabase(t)
		p := newPair(t, 0, briefly(path, without...), trapping(path, without...))
		done := p.holds(workload.Trap{Ops: []string{workload.OpWrite}, Name: "app.db", N: 2}) // the accounts
		p.victim.signal(syscall.SIGSTOP)
		if o := <-p.inherit(); o.Outcome != workload.OK {
			t.Fatalf("%v: %s", &o, o.Err)
		}
		p.victim.signal(syscall.SIGCONT)
		p.victim.letGo("x")
		if o := <-done; o.Outcome == workload.OK {
			t.Errorf("%v", &o)
		}
		// What the heir has cached is right: another connection reads what is there.
		p.heir.must(workload.Command{Do: workload.DoClose, Conn: "1"})
		p.heir.open(p.to, "1")
		p.demand(removed, "by the ledger")
	})
}

// Who lost its lease finishes a journal that it began only then, and the one who copies
// meanwhile does not notice.
func TestWithoutTheTrace(t *testing.T) {
	both(t, workload.GuardTrace, func(t *testing.T, removed bool, without []string) {
		path := newDatabase(t)
		p := newPair(t, 4, briefly(path, append(without, workload.GuardClock)...), trapping(path))
		done := p.holds(workload.Trap{Ops: []string{workload.OpWrite}, Name: "*-journal"})
		p.heir.trap(workload.Trap{ID: "copy", Ops: []string{workload.OpRead}, Name: "app.db", Since: workload.SinceTakeover, N: 2, After: true})
		heirs := p.inherit()
		p.heir.trapped("copy")
		p.victim.letGo("x")
		if o := <-done; o.Outcome == workload.OK || o.Why != workload.KindLost {
			t.Errorf("%v: %s", &o, o.Err)
		}
		p.heir.letGo("copy")
		if o := <-heirs; o.Outcome != workload.OK && !removed {
			t.Errorf("%v: %s", &o, o.Err)
		}
		p.demand(removed, "by the ledger")
	})
}
