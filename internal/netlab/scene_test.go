//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfastdb/holdfast/internal/netlab/workload"
)

func testPair(failed error) *pair {
	p := newPair(&lab{}, "nfs42", "delete", 1)
	p.history, p.failed = workload.NewHistory(), failed
	return p
}

// A guard is proven by damage without it and none with it, and by nothing else.
func TestGuardIsProven(t *testing.T) {
	unmet := unmet("nobody was there")
	lost, torn, slow := "lost row: it was acknowledged and is not there", "account 1 has 2, and by the ledger 3", "waited for 99s"
	for _, tt := range []struct {
		name          string
		without, with []string
		failed        [2]error // without, and with
		proven, over  bool
	}{
		{name: "damage without", without: []string{lost}, proven: true, over: true},
		{name: "torn without", without: []string{torn}, proven: true, over: true},
		{name: "damage with", with: []string{lost}, over: true},
		{name: "damage either way", without: []string{lost}, with: []string{torn}, over: true},
		{name: "no damage", over: false},
		{name: "slow without is no damage", without: []string{slow}, failed: [2]error{errors.New(slow)}},
		{name: "slow with", without: []string{lost}, with: []string{slow}, failed: [2]error{nil, errors.New(slow)}, over: true},
		{name: "did not come about with", without: []string{lost}, with: []string{unmet.Error()}, failed: [2]error{nil, unmet}},
		{name: "did not come about without", without: []string{unmet.Error()}, failed: [2]error{unmet}},
		{name: "damage where it did not come about", without: []string{lost}, with: []string{lost, unmet.Error()}, failed: [2]error{nil, unmet}, over: true},
	} {
		tr := &trial{mount: "nfs42", mode: "delete"}
		tr.judge(guards[0], 0, testPair(tt.failed[0]), tt.without, testPair(tt.failed[1]), tt.with)
		if tr.proven != tt.proven || tr.over() != tt.over {
			t.Errorf("%s: proven %v, over %v (%q), want %v, %v", tt.name, tr.proven, tr.over(), tr.wrong, tt.proven, tt.over)
		}
	}
}

// The damage that is named is the worst, and what is no damage has no such name.
func TestNamesOfDamage(t *testing.T) {
	for _, tt := range []struct {
		wrong []string
		want  string
	}{
		{nil, ""},
		{[]string{"page 3 is from transaction 4, and by the ledger its book is from 0"}, "TORN"},
		{[]string{"stale read: it did not see"}, "STALE READ"},
		{[]string{"stale read: x", "lost row: y", "lost row: z"}, "LOST 2"},
		{[]string{"account 1 has 2, and by the ledger 3", "database disk image is malformed"}, "CORRUPT"},
		{[]string{"waited for 99s"}, "WRONG"},
	} {
		if got := (verdict{wrong: tt.wrong}).damage(); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.wrong, got, tt.want)
		}
	}
}

// What hung beside other mounts is played once more, alone, and nothing else is.
func TestHungIsPlayedAlone(t *testing.T) {
	hung := []string{"append took 61s"}
	of := func(mount, who string) *subject {
		return &subject{lab: &lab{}, mount: mount, who: who, mode: "wal", hung: hung, wrong: hung}
	}
	verdicts := []verdict{
		{subject: of("fine", holdfast), acked: 3},
		{subject: of("hung", holdfast), hung: hung},
		{subject: of("hangs", holdfast), hung: hung},
		{subject: of("turns out lost", holdfast), hung: hung},
		{subject: of("hung and lost", holdfast), hung: hung, wrong: []string{"lost row: x"}},
		{subject: of("lost", holdfast), wrong: []string{"lost row: x"}},
		{subject: of("stock", stock), hung: hung},
	}
	var played []string
	play := func(s *subject) (verdict, error) {
		played = append(played, s.mount)
		if d := cmp.Diff(of(s.mount, holdfast).String(), s.String()); d != "" || len(s.hung)+len(s.wrong) > 0 {
			t.Errorf("played with %+v", s)
		}
		return map[string]verdict{
			"hung":           {subject: s, acked: 4},
			"hangs":          {subject: s, hung: hung},
			"turns out lost": {subject: s, wrong: []string{"lost row: y"}},
		}[s.mount], nil
	}
	if err := playAlone(verdicts, play); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"hung", "hangs", "turns out lost"}, played); d != "" {
		t.Errorf("played (-want +got):\n%s", d)
	}
	var cells []string
	amiss := 0
	for _, v := range verdicts {
		cells = append(cells, v.cell())
		if len(v.amiss()) > 0 {
			amiss++
		}
	}
	want := []string{"ok 3, 0s", "hung; alone: ok 4, 0s", "hung; alone: hung", "hung; alone: LOST 1", "LOST 1", "LOST 1", "hung"}
	if d := cmp.Diff(want, cells); d != "" || amiss != 5 {
		t.Errorf("%d amiss, cells (-want +got):\n%s", amiss, d)
	}
	played = nil
	if err := playAlone(verdicts[2:3], play); err != nil || len(played) > 0 {
		t.Errorf("who was alone is played again: %v", err)
	}
	broken := errors.New("the lab broke")
	if err := playAlone([]verdict{{subject: of("hung", holdfast), hung: hung}, {subject: of("fine", holdfast)}}, func(*subject) (verdict, error) {
		return verdict{}, broken
	}); !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
}

// A moment has a journal mode in which it happens, another one for each mount and row,
// and one of those that were chosen if it can.
func TestModeOfAMoment(t *testing.T) {
	for _, tt := range []struct {
		chosen, allowed []string
		want            []string // of three mounts
	}{
		{nil, nil, []string{"truncate", "persist", "wal"}},
		{nil, []string{"wal"}, []string{"wal", "wal", "wal"}},
		{nil, rollback, []string{"truncate", "persist", "delete"}},
		{[]string{"persist", "wal"}, rollback, []string{"persist", "persist", "persist"}},
		{[]string{"wal"}, rollback, []string{"truncate", "persist", "delete"}},
	} {
		l := &lab{options: options{modes: tt.chosen}}
		var got []string
		for mount := range 3 {
			got = append(got, l.modeOf(tt.allowed, mount, 1))
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("chosen %v, allowed %v (-want +got):\n%s", tt.chosen, tt.allowed, d)
		}
	}
}

// The steps of a takeover are tried until nobody makes such a step, and a pair that
// failed is left alone.
func TestStepsOfATakeover(t *testing.T) {
	steps := map[string]int{"short": 5, "long": 9, "none": 0}
	sc := &scene{lab: &lab{}}
	tried := make(map[string]int)
	for name := range steps {
		p := testPair(nil)
		p.mount = name
		sc.pairs = append(sc.pairs, p)
	}
	broken := testPair(errors.New("broken"))
	sc.pairs = append(sc.pairs, broken)
	err := atSomeSteps(func(step int) act {
		return func(ctx context.Context, sc *scene) error {
			for _, p := range sc.pairs {
				tried[p.mount] = step
			}
			return each(func(_ context.Context, p *pair) error {
				p.held = step <= steps[p.mount]
				return nil
			})(ctx, sc)
		}
	})(t.Context(), sc)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range sc.pairs {
		want := (steps[p.mount] + stride - 1) / stride
		if p == broken {
			want = 0
		}
		if missed := errors.Is(p.failed, errUnmet); p.steps != want || missed != (p.mount == "none") {
			t.Errorf("%s: %d steps, %v; want %d", p.mount, p.steps, p.failed, want)
		}
	}
	if tried["long"] != 10 {
		t.Errorf("the last step tried is %d, want 10", tried["long"])
	}
}

// A step of a takeover without end is an end.
func TestTakeoverWithoutEnd(t *testing.T) {
	p := testPair(nil)
	sc := &scene{lab: &lab{}, pairs: []*pair{p}}
	p.held = true
	err := atSomeSteps(func(int) act { return all() })(t.Context(), sc)
	if !errors.Is(err, errUnmet) {
		t.Errorf("%v", err)
	}
}

// What goes wrong for one pair ends neither its scene nor the other pairs, and the end
// of the lab ends all.
func TestEach(t *testing.T) {
	sc := &scene{lab: &lab{}, pairs: []*pair{testPair(nil), testPair(nil)}}
	ctx, cancel := context.WithCancelCause(t.Context())
	var done [2]int
	act := func(what error) act {
		return each(func(_ context.Context, p *pair) error {
			if p == sc.pairs[0] {
				done[0]++
				return what
			}
			done[1]++
			return nil
		})
	}
	if err := all(act(nil), act(errors.New("wrong")), act(nil))(ctx, sc); err != nil {
		t.Error(err)
	}
	if d := cmp.Diff([2]int{2, 3}, done); d != "" {
		t.Errorf("acts of each pair (-want +got):\n%s", d)
	}
	cause := fmt.Errorf("enough")
	cancel(cause)
	if err := all(act(nil), act(nil))(ctx, sc); !errors.Is(err, cause) || done[1] != 4 {
		t.Errorf("%v after %d acts", err, done[1])
	}
}

// A transaction is held where the point says, in each journal mode.
func TestPoints(t *testing.T) {
	for _, tt := range []struct {
		name, mode string
		at         point
		want       []workload.Trap
	}{
		{"page", "delete", beforePage(3), []workload.Trap{{Ops: []string{"write"}, Name: "app.db@2", N: 3}}},
		{"page", "wal", beforePage(3), []workload.Trap{{Ops: []string{"write"}, Name: "app.db@2-wal", N: 3}}},
		{"midway", "persist", midway, []workload.Trap{{Ops: []string{"sync"}, Name: "app.db@2"}}},
		{"finish", "persist", beforeFinish, []workload.Trap{{Ops: []string{"sync"}, Name: "app.db@2"}, {Ops: finishes, Name: "app.db@2-journal"}}},
		{"finished", "delete", afterFinish, []workload.Trap{{Ops: []string{"sync"}, Name: "app.db@2"}, {Ops: finishes, Name: "app.db@2-journal", After: true}}},
		{"finished", "wal", afterFinish, []workload.Trap{{Ops: []string{"sync"}, Name: "app.db@2-wal", After: true}}},
	} {
		if d := cmp.Diff(tt.want, tt.at(tt.mode, "app.db@2")); d != "" {
			t.Errorf("%s in mode %s (-want +got):\n%s", tt.name, tt.mode, d)
		}
	}
}
