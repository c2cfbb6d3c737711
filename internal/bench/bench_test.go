package main

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// The children are this program.
func TestMain(m *testing.M) {
	if len(os.Args) > 3 && os.Args[1] == childArg {
		main()
	}
	os.Exit(m.Run())
}

func TestQuantile(t *testing.T) {
	for _, test := range []struct {
		values []float64
		q      float64
		want   float64
	}{
		{[]float64{3}, 0.5, 3},
		{[]float64{3, 1, 2}, 0, 1},
		{[]float64{3, 1, 2}, 0.5, 2},
		{[]float64{3, 1, 2}, 1, 3},
		{[]float64{4, 1, 2, 3}, 0.5, 2.5},
		{[]float64{0, 10}, 0.25, 2.5},
	} {
		if got := quantile(test.values, test.q); got != test.want {
			t.Errorf("quantile(%v, %v) = %v, want %v", test.values, test.q, got, test.want)
		}
	}
}

// A side that does nothing but wait takes the time that it is told to.
func TestCompare(t *testing.T) { synctest.Test(t, testCompare) }

func testCompare(t *testing.T) {
	sleeper := func(d time.Duration) side {
		return side{open: func(string) (*subject, error) {
			work := func(n int) error { time.Sleep(time.Duration(n) * d); return nil }
			return &subject{work: work, close: func() error { return nil }, n: 1}, nil
		}}
	}
	var out bytes.Buffer
	b := &bench{ctx: t.Context(), out: &out, dir: t.TempDir(), rounds: 7, slice: 20 * time.Millisecond}
	if err := b.compare(b.comparisonTable(), "sleep", sleeper(2*time.Millisecond), sleeper(20*time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	cells := strings.Split(lines[len(lines)-1], " | ")
	if len(cells) != 6 {
		t.Fatalf("the line is %q, want 6 cells", cells)
	}
	if cells[3] != "**10.00**" {
		t.Errorf("the ratio is %s, want 10", cells[3])
	}
}

// A database is taken over in each way, by copies where there is a fence. The memory
// does not grow with it.
func TestTakeovers(t *testing.T) {
	b := &bench{ctx: t.Context(), dir: t.TempDir()}
	fast := "poll=10ms&" + sticky.params // no short ttl: the holders are proven dead on this host
	ways := []*way{
		{name: "by the file system", maker: sticky.as(fast)},
		{name: "streamed", maker: maker{streamedDriver, fast}},
		{name: "not at all", maker: unfenced.as(fast + "&fence=off")},
	}
	const megabytes, rounds = 8, 3
	if err := b.takeTurns(ways, megabytes, rounds); err != nil {
		t.Fatal(err)
	}
	if copies, err := filepath.Glob(b.dir + "/*/app.db@*"); len(copies) == 0 || err != nil {
		t.Errorf("there is no copy: %v", err)
	}
	for _, w := range ways {
		if len(w.times) != rounds || quantile(w.times, 0) <= 0 {
			t.Errorf("%s took %v, want %d times", w.name, w.times, rounds)
		}
		if runtime.GOOS == "linux" && (quantile(w.memory, 0) == 0 || quantile(w.grown, 1) > 64<<20) {
			t.Errorf("%s: peaks %v, of which %v for the takeover", w.name, w.memory, w.grown)
		}
	}
}

// Each kind of database can do each task.
func TestTasks(t *testing.T) {
	b := &bench{ctx: t.Context(), dir: t.TempDir()}
	for _, m := range []maker{stock, honest, kernel, sticky, unsticky, unfenced} {
		for _, k := range tasks() {
			k.rows = min(k.rows, 500)
			dir, err := b.place()
			if err != nil {
				t.Fatal(err)
			}
			s, err := k.on(b.ctx, m).open(dir + "/app.db")
			if err != nil {
				t.Fatalf("%s on %v: %v", k.name, m, err)
			}
			if err := s.work(2); err != nil {
				t.Errorf("%s on %v: %v", k.name, m, err)
			}
			if err := s.close(); err != nil {
				t.Errorf("%s on %v: %v", k.name, m, err)
			}
		}
	}
}
