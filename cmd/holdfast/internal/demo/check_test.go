package demo

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfastdb/holdfast"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.NewTextHandler(io.Discard, nil)))
	os.Exit(m.Run())
}

// history makes a database with three rows of A and two of B, and the report that
// belongs to it. B's row 3 was refused.
func history(t *testing.T) (string, *sql.DB, *report) {
	t.Helper()
	dsn := "file:" + filepath.Join(t.TempDir(), "bank.db") + "?lock=leasefile&ttl=2s"
	db, err := holdfast.Open(dsn, holdfast.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := create(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	for _, r := range []row{{"A", 1}, {"A", 2}, {"B", 1}, {"A", 3}, {"B", 2}} {
		add(t, db, r)
	}
	start := time.Now()
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	events := make(turns)
	events.add(event{writer: "A", Epoch: 1, Began: at(1), Until: at(2)}, 2)
	events.add(event{writer: "B", Epoch: 2, Began: at(3), Until: at(4)}, 1)
	events.add(event{writer: "A", Epoch: 3, Began: at(5), Until: at(6)}, 1)
	events.add(event{writer: "B", Epoch: 4, Began: at(7), Until: at(8)}, 1)
	d := &director{began: start, turns: events, looks: 1, writers: map[string]*tally{
		"A": {rows: []int{1, 2, 3}},
		"B": {rows: []int{1, 2}, undone: []int{3}},
	}}
	return dsn, db, d.report()
}

func add(t *testing.T, db *sql.DB, r row) {
	t.Helper()
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(transfer(t.Context(), tx, r.writer, r.n), tx.Commit()); err != nil {
		t.Fatal(err)
	}
}

func TestCheckFindsNothing(t *testing.T) {
	dsn, _, r := history(t)
	if err := r.check(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	found := strings.Join(r.checked, "\n")
	for _, want := range []string{"4 turns", "5 rows acknowledged, each is there exactly once", "1 transactions killed or refused", "still has 10000", "integrity_check says ok"} {
		if !strings.Contains(found, want) {
			t.Errorf("%q is not in\n%s", want, found)
		}
	}
}

// TestCheckFinds breaks one promise at a time.
func TestCheckFinds(t *testing.T) {
	exec := func(statement string) func(*testing.T, *sql.DB, *report) {
		return func(t *testing.T, db *sql.DB, _ *report) {
			if _, err := db.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, test := range []struct {
		name  string
		spoil func(*testing.T, *sql.DB, *report)
		want  string
	}{
		{"a lost row", exec(`DELETE FROM ledger WHERE writer='A' AND n=2`), "row 2 of A was acknowledged and is there 0 times"},
		{"a row twice", exec(`INSERT INTO ledger SELECT * FROM ledger WHERE writer='B' AND n=1`), "row 1 of B was acknowledged and is there 2 times"},
		{"a refused row", func(t *testing.T, db *sql.DB, _ *report) { add(t, db, row{"B", 3}) }, "row 3 of B is there, though"},
		{"a stray row", func(t *testing.T, db *sql.DB, _ *report) { add(t, db, row{"C", 1}) }, "row 1 of C is there, but was never acknowledged"},
		{"lost money", exec(`UPDATE account SET balance = balance - 1 WHERE id = 1`), "the bank has 9999"},
		{"moved money", exec(`UPDATE account SET balance = balance + iif(id = 1, 1, -1) WHERE id < 3`), "2 accounts differ from their ledger"},
		{"two writers under one epoch", func(_ *testing.T, _ *sql.DB, r *report) { r.turns[1].others = []string{"A"} }, "B and A both wrote under epoch 2"},
		{"a lock of the system", func(_ *testing.T, _ *sql.DB, r *report) { r.locks = []string{"1: POSIX"} }, "a lock of the operating system was taken: 1: POSIX"},
		{"nobody looked", func(_ *testing.T, _ *sql.DB, r *report) { r.looks = 0 }, "nobody looked for locks"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if !watchesLocks && (test.name == "a lock of the system" || test.name == "nobody looked") {
				return // nothing is claimed about them there
			}
			dsn, db, r := history(t)
			test.spoil(t, db, r)
			if err := r.check(t.Context(), dsn); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("check = %v, want an error with %q", err, test.want)
			}
		})
	}
}

// TestDoubt: a row whose commit failed in doubt may be there or not.
func TestDoubt(t *testing.T) {
	for _, there := range []bool{false, true} {
		dsn, db, r := history(t)
		r.writers["B"].doubt = []int{4}
		if there {
			add(t, db, row{"B", 4})
		}
		if err := r.check(t.Context(), dsn); err != nil {
			t.Errorf("with the row there %v: %v", there, err)
		}
	}
}

func TestOverlap(t *testing.T) {
	start := time.Now()
	all := make(turns)
	all.add(event{writer: "A", Epoch: 1, Began: start, Until: start.Add(time.Second)}, 1)
	all.add(event{writer: "B", Epoch: 2, Began: start.Add(time.Second), Until: start.Add(2 * time.Second)}, 1)
	if a, b := all.overlap(); a != nil {
		t.Errorf("%v and %v overlap, but only touch", a, b)
	}
	all.add(event{writer: "A", Epoch: 1, Began: start, Until: start.Add(1500 * time.Millisecond)}, 1)
	if a, _ := all.overlap(); a == nil {
		t.Error("nobody noticed that A still held when B did")
	}
	d := &director{turns: all}
	if err := d.report().checkTurns(); err == nil {
		t.Error("the report does not mind")
	}
}

// TestTable: a long table shows what happened, and the rest together.
func TestTable(t *testing.T) {
	start := time.Now()
	all := make(turns)
	for i := range 60 {
		from := start.Add(time.Duration(i) * time.Second)
		all.add(event{writer: []string{"A", "B", "C"}[i%3], Epoch: uint64(i + 1), Began: from, Until: from.Add(time.Second / 2)}, 2)
	}
	d := &director{began: start, turns: all, notes: []remark{{30, "killed in a transaction"}}}
	var b strings.Builder
	if err := d.report().write(&b); err != nil {
		t.Fatal(err)
	}
	want := `
Who held the database, by the writers' own accounts:
┌───────┬──────────────────┬─────────┬─────────┬──────┬─────────────────────────┐
│ epoch │ holder           │ from    │ to      │ rows │                         │
├───────┼──────────────────┼─────────┼─────────┼──────┼─────────────────────────┤
│ 1     │ A                │ 0.000s  │ 0.500s  │    2 │                         │
│ 2     │ B                │ 1.000s  │ 1.500s  │    2 │                         │
│ 3     │ C                │ 2.000s  │ 2.500s  │    2 │                         │
│ 4     │ A                │ 3.000s  │ 3.500s  │    2 │                         │
│ 5-26  │ A 7×, B 8×, C 7× │ 4.000s  │ 25.500s │   44 │ took turns              │
│ 27    │ C                │ 26.000s │ 26.500s │    2 │                         │
│ 28    │ A                │ 27.000s │ 27.500s │    2 │                         │
│ 29    │ B                │ 28.000s │ 28.500s │    2 │                         │
│ 30    │ C                │ 29.000s │ 29.500s │    2 │ killed in a transaction │
│ 31    │ A                │ 30.000s │ 30.500s │    2 │                         │
│ 32    │ B                │ 31.000s │ 31.500s │    2 │                         │
│ 33-56 │ A 8×, B 8×, C 8× │ 32.000s │ 55.500s │   48 │ took turns              │
│ 57    │ C                │ 56.000s │ 56.500s │    2 │                         │
│ 58    │ A                │ 57.000s │ 57.500s │    2 │                         │
│ 59    │ B                │ 58.000s │ 58.500s │    2 │                         │
│ 60    │ C                │ 59.000s │ 59.500s │    2 │                         │
└───────┴──────────────────┴─────────┴─────────┴──────┴─────────────────────────┘
`
	if diff := cmp.Diff(want, strings.TrimRight(b.String(), "\n")+"\n"); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}

// TestOneTurnIsNotTurns: what is between two that are shown by themselves may be one.
func TestOneTurnIsNotTurns(t *testing.T) {
	start := time.Now()
	all := make(turns)
	for i := range maxTurns + 1 {
		all.add(event{writer: "A", Epoch: uint64(i + 1), Began: start, Until: start}, 1)
	}
	d := &director{began: start, turns: all, notes: []remark{{8, "killed"}, {15, "frozen"}}}
	var b strings.Builder
	if err := d.report().write(&b); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "│ 11    │ A") || !strings.Contains(b.String(), "│ 18-21 │ A 4×") {
		t.Errorf("the turn 11 is not by itself, or those from 18 to 21 are not together:\n%s", b.String())
	}
}

// TestNoSuchWriter: a writer that cannot start, or ends, is told and leaves nothing.
func TestNoSuchWriter(t *testing.T) {
	for name, writer := range map[string][]string{
		"not there":    {filepath.Join(t.TempDir(), "nothing")},
		"ends at once": {os.Args[0], "-test.run=^$", "-test.v=false", "--"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			var out strings.Builder
			err := Run(context.Background(), Options{Dir: dir, Length: time.Second, Lock: "leasefile", TTL: "1s", Writer: writer, Out: &out})
			if err == nil || !strings.Contains(err.Error(), "writer A") && !strings.Contains(err.Error(), "ended by itself") {
				t.Errorf("Run = %v", err)
			}
		})
	}
}

func TestKernelLockHasNothingToShow(t *testing.T) {
	dir := t.TempDir()
	err := Run(t.Context(), Options{Dir: dir, Length: time.Second, Lock: "flock", Writer: []string{"unused"}, Out: io.Discard})
	if !errors.Is(err, ErrNoLease) {
		t.Errorf("Run = %v, want %v", err, ErrNoLease)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}
