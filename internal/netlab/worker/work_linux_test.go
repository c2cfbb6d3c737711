package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfastdb/holdfast/internal/netlab/workload"
)

// Two workers share a database for a while, and one is killed in between and replaced:
// what they were told is so.
func TestTwoWorkers(t *testing.T) {
	for _, tt := range []struct {
		name string
		long bool // for the long form
		open workload.Open
	}{
		{"delete", false, workload.Open{Journal: "delete"}},
		{"truncate", false, workload.Open{Journal: "truncate"}},
		{"persist", false, workload.Open{Journal: "persist"}},
		{"wal", false, workload.Open{Journal: "wal"}},
		{"truncate with traps", true, workload.Open{Journal: "truncate", Traps: true}},
		{"persist with traps", true, workload.Open{Journal: "persist", Traps: true}},
		{"wal with traps", true, workload.Open{Journal: "wal", Traps: true}},
		// On a local disk nobody needs to reopen, or to look anew.
		{"delete without what it needs on a network", false, workload.Open{Journal: "delete", Traps: true, Without: []string{workload.GuardReopen, workload.GuardFresh}}},
	} {
		if tt.long && !realRun() {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			// Nobody waits for an expiry: who is killed is known to be dead on its own host.
			tt.open.Driver, tt.open.Path, tt.open.TTL = workload.Holdfast, newDatabase(t), time.Minute
			share(t, tt.open)
		})
	}
}

func share(t *testing.T, o workload.Open) {
	var length time.Duration // at the least
	if realRun() {
		length = 20 * time.Second
	}
	first, second := start(t, "a"), start(t, "b")
	first.open(o, "1", "2")
	first.must(workload.Command{Do: workload.DoSetup, Conn: "1", MB: 1})
	second.open(o, "1", "2")
	h := workload.NewHistory()
	d := workload.NewDriver(h, workload.Mix{Reads: 50, Deep: 10, Spill: 20, Think: 20 * time.Millisecond, Limit: 10 * time.Second})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, p := range []*process{first, second} {
		d.Start(ctx, p.Client, "1")
		d.Start(ctx, p.Client, "2")
	}
	worked(t, h, length/3, func() bool { return committed(h, 0, "a.") && committed(h, 0, "b.") })
	second.kill()
	killed := h.Now()
	third := start(t, "c")
	third.open(o, "1")
	d.Start(ctx, third.Client, "1")
	worked(t, h, length, func() bool {
		counts := h.Summary().Counts
		return counts["append ok"] >= enough && counts["read ok"] >= enough && committed(h, killed, "a.") && committed(h, killed, "c.")
	})
	cancel()
	if err := d.Wait(); err != nil {
		t.Error(err)
	}
	report(t, h)
	for _, line := range append(h.Check(), h.Final(first.audit("1"))...) {
		t.Error(line)
	}
	// What stock SQLite finds is the same.
	if file := first.must(workload.Command{Do: workload.DoStatus, Conn: "1"}).Status.File; file != "" {
		o.Path = filepath.Join(filepath.Dir(o.Path), file)
	}
	for _, conn := range []string{"1", "2"} {
		first.must(workload.Command{Do: workload.DoClose, Conn: conn})
	}
	third.must(workload.Command{Do: workload.DoClose, Conn: "1"})
	third.open(workload.Open{Driver: workload.Ncruces, Path: o.Path}, "stock")
	for _, line := range h.Final(third.audit("stock")) {
		t.Errorf("stock: %s", line)
	}
}

// enough appends, and enough reads.
const enough = 10

// worked waits until a history is as long as it is to be, and holds what is wanted. A
// history tells of nothing, so it is looked at again and again.
func worked(t *testing.T, h *workload.History, least time.Duration, wanted func() bool) {
	t.Helper()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	bound := time.NewTimer(least + time.Minute)
	defer bound.Stop()
	for h.Now() < least || !wanted() {
		select {
		case <-look.C:
		case <-bound.C:
			t.Errorf("after %v there is still only %v", h.Now(), h.Summary().Counts)
			return
		}
	}
}

// committed reports whether a client committed anything since a time.
func committed(h *workload.History, since time.Duration, client string) bool {
	return h.First(since, workload.Appending, func(name string) bool { return strings.HasPrefix(name, client) }) != nil
}

// report tells what happened.
func report(t *testing.T, h *workload.History) {
	t.Helper()
	s := h.Summary()
	t.Logf("%v, errors %v, longest wait %v", s.Counts, s.Errors, s.LongestWait())
	for _, o := range s.Hung {
		t.Errorf("it hangs: %v", o)
	}
	for _, o := range h.Operations() {
		switch o.Why {
		case "", workload.KindNoAnswer, workload.KindBusy:
		case workload.KindLost: // on a machine that has much else to do
		default:
			t.Errorf("%v: %s", o, o.Err)
		}
	}
}

// A bench measures what was asked for.
func TestBench(t *testing.T) {
	t.Parallel()
	p := start(t, "a")
	for _, driver := range []string{workload.Holdfast, workload.Ncruces} {
		o := workload.Open{Driver: driver, Path: newDatabase(t), Journal: "wal"}
		p.open(o, driver)
		p.must(workload.Command{Do: workload.DoSetup, Conn: driver})
		for _, b := range []workload.Bench{{Kind: workload.BenchCommit, Count: 30}, {Kind: workload.BenchRead, Count: 30}, {Kind: workload.BenchRead, For: 50 * time.Millisecond}} {
			m := p.must(workload.Command{Do: workload.DoBench, Conn: driver, Bench: &b}).Bench
			if b.Count > 0 && m.Count != b.Count || m.Count == 0 || m.P50 <= 0 || m.P50 > m.P99 || m.P99 > m.Max || m.Elapsed < m.Max || m.PerSecond() <= 0 || len(m.Errors) > 0 {
				t.Errorf("%s, %+v: %+v", driver, b, *m)
			}
		}
		p.must(workload.Command{Do: workload.DoFill, Conn: driver, MB: 9})
		if a := p.audit(driver); a.Bytes < 9_000_000 || len(a.Problems) > 0 {
			t.Errorf("%s: after the filler: %+v", driver, *a)
		}
	}
}

// What makes no sense is refused with a line that says so, and nothing else comes of it.
func TestBadCommands(t *testing.T) {
	t.Parallel()
	p := start(t, "a")
	path := newDatabase(t)
	p.open(workload.Open{Driver: workload.Holdfast, Path: path}, "good")
	open := func(o workload.Open) workload.Command {
		return workload.Command{Do: workload.DoOpen, Conn: "bad", Open: &o}
	}
	for _, tt := range []struct {
		name    string
		command workload.Command
	}{
		{"no connection", workload.Command{Do: workload.DoRead}},
		{"not open", workload.Command{Do: workload.DoRead, Conn: "bad"}},
		{"open twice", workload.Command{Do: workload.DoOpen, Conn: "good", Open: &workload.Open{Driver: workload.Holdfast, Path: path}}},
		{"open nothing", workload.Command{Do: workload.DoOpen, Conn: "bad"}},
		{"unknown command", workload.Command{Do: "dance", Conn: "good"}},
		{"append of nothing", workload.Command{Do: workload.DoAppend, Conn: "good"}},
		{"bench of nothing", workload.Command{Do: workload.DoBench, Conn: "good", Bench: &workload.Bench{Kind: workload.BenchRead}}},
		{"unknown driver", open(workload.Open{Driver: "oracle", Path: path})},
		{"unknown guard", open(workload.Open{Driver: workload.Holdfast, Path: path, Without: []string{"rails"}})},
		{"traps for a stock driver", open(workload.Open{Driver: workload.Ncruces, Path: path, Traps: true})},
		{"traps and a relative path", open(workload.Open{Driver: workload.Holdfast, Path: "app.db", Traps: true})},
		{"trap without a name", workload.Command{Do: workload.DoTrap}},
		{"bad pattern", workload.Command{Do: workload.DoTrap, Trap: &workload.Trap{ID: "x", Name: "["}}},
		{"unknown beginning", workload.Command{Do: workload.DoTrap, Trap: &workload.Trap{ID: "x", Since: "easter"}}},
		{"no such trap", workload.Command{Do: workload.DoGo, Trap: &workload.Trap{ID: "x"}}},
	} {
		ctx, cancel := p.soon()
		r, err := p.Do(ctx, tt.command)
		cancel()
		var said *workload.Error
		if err != nil || !errors.As(r.Error(), &said) || said.Kind != workload.KindUsage || said.Outcome != workload.Failed || strings.Contains(said.Text, "\n") {
			t.Errorf("%s: %v, %+v", tt.name, err, r)
		}
	}
	if got := fmt.Sprint(p.must(workload.Command{Do: workload.DoStatus, Conn: "good"}).Status.Grade); got != "fenced" {
		t.Errorf("grade %q", got)
	}
}
