package main

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/holdfastdb/holdfast/internal/netlab/workload"
)

// trapping returns how a database of these tests is opened. The ttl is so long that no
// renewal meets a trap; nobody waits for it, since who is killed is known to be dead on its
// own host.
func trapping(path string, without ...string) workload.Open {
	return workload.Open{
		Driver: workload.Holdfast, Path: path, Journal: "delete", TTL: time.Minute,
		Traps: true, Without: without,
	}
}

// A trap of each kind holds the one operation that it is for until it is let go, and
// what waits for that has no answer before.
func TestTrapsSpring(t *testing.T) {
	t.Parallel()
	path := newDatabase(t)
	p := start(t, "a")
	p.open(trapping(path), "1")
	p.must(workload.Command{Do: workload.DoSetup, Conn: "1"})
	size := func(name string) int64 {
		info, err := os.Stat(path + name)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	p.must(appends("1", newAppend("w", 1, 0)))
	n := 1
	for _, tt := range []struct {
		name string
		trap workload.Trap
		held func() bool // what is so while it is held; nil: anything
	}{
		{"journal written", workload.Trap{Ops: []string{workload.OpWrite}, Name: "app.db-journal"}, func() bool { return size("-journal") == 0 }},
		{"journal was written", workload.Trap{Ops: []string{workload.OpWrite}, Name: "app.db-journal", After: true}, func() bool { return size("-journal") > 0 }},
		{"journal synced", workload.Trap{Ops: []string{workload.OpSync}, Name: "app.db-journal"}, func() bool { return size("-journal") > 0 }},
		{"journal finished", workload.Trap{Ops: []string{workload.OpTruncate, workload.OpRemove}, Name: "*-journal"}, func() bool { return size("-journal") > 0 }},
		{"journal was finished", workload.Trap{Ops: []string{workload.OpTruncate, workload.OpRemove}, Name: "*-journal", After: true}, func() bool { return size("-journal") == 0 }},
		{"database written", workload.Trap{Ops: []string{workload.OpWrite}, Name: "app.db"}, nil},
		{"database written, third page", workload.Trap{Ops: []string{workload.OpWrite}, Name: "app.db", N: 3}, nil},
		{"database synced", workload.Trap{Ops: []string{workload.OpSync}, Name: "app.db", After: true}, nil},
		{"anything that changes something, second", workload.Trap{N: 2}, nil},
		{"look at the register", workload.Trap{Ops: []string{workload.OpList}, Name: "app.db.lease"}, nil},
		{"anything that looks", workload.Trap{Ops: []string{workload.OpStat, workload.OpRead, workload.OpOpen, workload.OpList}, Name: "*"}, nil},
	} {
		tt.trap.ID = tt.name
		p.trap(tt.trap)
		n++
		reply := p.does(appends("1", newAppend("w", n, n%workload.Books)))
		e := p.trapped(tt.name)
		if want := max(tt.trap.N, 1); e.Count != want || e.After != tt.trap.After || e.Name == "" || e.Op == "" {
			t.Errorf("%s: %+v, want number %d", tt.name, e, want)
		}
		if tt.held != nil && !tt.held() {
			t.Errorf("%s: it is not held there: %v", tt.name, e)
		}
		select {
		case r := <-reply:
			// A look may be one that nobody waits for.
			if tt.trap.Ops == nil || tt.trap.Ops[0] == workload.OpWrite {
				t.Errorf("%s: answered while it is held: %+v", tt.name, r)
			}
			p.letGo(tt.name)
		case <-time.After(30 * time.Millisecond):
			if got := p.letGo(tt.name); got < e.Count {
				t.Errorf("%s: %d were counted, want %d or more", tt.name, got, e.Count)
			}
			if r := <-reply; r.Outcome != workload.OK {
				t.Errorf("%s: then: %+v", tt.name, r)
			}
		}
	}
	if a := p.audit("1"); len(a.Problems) > 0 || len(a.Rows()) != n {
		t.Errorf("%d appends, and then %+v", n, a)
	}
}

// The operations of a register meet traps as well, those of its creation too.
func TestTrapsOnTheRegister(t *testing.T) {
	t.Parallel()
	p := start(t, "a")
	o := trapping(newDatabase(t))
	o.Params = map[string][]string{"sticky": {"off"}}
	held := func(op, name string, c workload.Command) {
		t.Helper()
		p.trap(workload.Trap{ID: op, Ops: []string{op}, Name: name})
		reply := p.does(c)
		p.trapped(op)
		p.letGo(op)
		if r := <-reply; r.Outcome != workload.OK {
			t.Errorf("%s of %s: %+v", op, name, r)
		}
	}
	held(workload.OpMkdir, "app.db.lease.*.new", workload.Command{Do: workload.DoOpen, Conn: "1", Open: &o})
	p.must(workload.Command{Do: workload.DoSetup, Conn: "1"})
	n := 0
	for _, tt := range []struct{ op, name string }{
		{workload.OpCreate, "*.json"}, {workload.OpWrite, "*.json"}, {workload.OpSync, "*.json"},
		{workload.OpRename, "*.token"}, {workload.OpList, "app.db.lease"}, {workload.OpRemove, "*.json"},
		{workload.OpRename, "*.token"},
	} {
		n++
		held(tt.op, tt.name, appends("1", newAppend("w", n, -1)))
	}
}

// A trap that is not sprung says how often it could have been, and one that was taken
// away holds nothing.
func TestTrapTakenAway(t *testing.T) {
	t.Parallel()
	p := start(t, "a")
	p.open(trapping(newDatabase(t)), "1")
	p.must(workload.Command{Do: workload.DoSetup, Conn: "1"})
	trap := workload.Trap{ID: "x", Ops: []string{workload.OpSync}, Name: "app.db", N: 100}
	p.trap(trap)
	p.must(appends("1", newAppend("w", 1, 0)))
	if n := p.letGo("x"); n != 1 {
		t.Errorf("a commit synced the database %d times, want once", n)
	}
	p.must(appends("1", newAppend("w", 2, 0)))

	trap.N = 1
	p.trap(trap)
	reply := p.does(appends("1", newAppend("w", 3, 0)))
	p.trapped("x")
	trap.N = 100
	p.trap(trap) // instead of the other, which lets go
	if r := <-reply; r.Outcome != workload.OK {
		t.Errorf("%+v", r)
	}
	p.trap(workload.Trap{ID: "y", Ops: []string{workload.OpSync}, Name: "app.db"})
	reply = p.does(appends("1", newAppend("w", 4, 0)))
	p.trapped("y")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := p.Close(ctx); err != nil { // lets go too
		t.Error(err)
	}
	if r := <-reply; r.Outcome != workload.OK {
		t.Errorf("at its end: %+v", r)
	}
}

// Each step of a takeover can be held, and of the commit that follows; then it goes on,
// and nothing is lost.
func TestTakeoverStepByStep(t *testing.T) {
	t.Parallel()
	steps := 5
	path := newDatabase(t)
	h := workload.NewHistory()
	heir := start(t, "heir")
	heir.open(trapping(path), "1")
	heir.must(workload.Command{Do: workload.DoSetup, Conn: "1", MB: 1})
	for step := 1; step <= steps; step++ {
		leaveHot(t, h, path)
		heir.trap(workload.Trap{ID: "step", Ops: []string{workload.OpAny}, Since: workload.SinceTakeover, N: step})
		heir.trap(workload.Trap{ID: "all", Ops: []string{workload.OpAny}, Since: workload.SinceTakeover, N: 1 << 30})
		done := make(chan struct{})
		go func() {
			h.Append(t.Context(), heir.Client, "1", 0, *newAppend(h.Writer(), 1, 3))
			close(done)
		}()
		t.Logf("%v", heir.trapped("step"))
		heir.letGo("step")
		<-done
		if n := heir.letGo("all"); realRun() && step == 1 {
			steps = n * 3 / 4 // some of them are renewals, of which there may be fewer
		}
	}
	for _, line := range append(h.Check(), h.Final(heir.audit("1"))...) {
		t.Error(line)
	}
	if s := h.Summary(); s.Counts["append ok"] != 2*steps || s.Counts["append unknown"] != steps {
		t.Errorf("%d takeovers: %v", steps, s.Counts)
	}
}

// leaveHot has a worker killed in the middle of its second commit.
func leaveHot(t *testing.T, h *workload.History, path string) {
	t.Helper()
	victim := start(t, "victim")
	victim.open(trapping(path), "1")
	writer := h.Writer()
	h.Append(t.Context(), victim.Client, "1", 0, *newAppend(writer, 1, 1))
	victim.trap(workload.Trap{ID: "x", Ops: []string{workload.OpTruncate, workload.OpRemove}, Name: "*-journal"})
	gone := make(chan struct{})
	go func() {
		h.Append(t.Context(), victim.Client, "1", 0, *newAppend(writer, 2, 2))
		close(gone)
	}()
	victim.trapped("x")
	victim.kill()
	<-gone
}
