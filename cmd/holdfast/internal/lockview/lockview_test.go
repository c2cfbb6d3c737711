package lockview

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfastdb/holdfast/locking"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

var statuses = map[string]locking.Status{
	"lease": {
		Grade: locking.GradeLease, Lock: "leasefile:///data/app.db.lease", File: "app.db@7-ab", Epoch: 7, TTL: 15 * time.Second,
		Holders: []locking.StatusEntry{
			{Holder: locking.Holder{ID: "h1", Host: "node-a", PID: 1, Pod: "app-0", Program: "server"}, Level: locking.Reserved,
				Age: 83*time.Second + 21*time.Millisecond, TTL: 15 * time.Second, Expires: 9*time.Second + 870*time.Millisecond},
			{Holder: locking.Holder{ID: "h2", Host: "node-b", PID: 4711, Program: "holdfast"}, Level: locking.Shared,
				Age: 40 * time.Millisecond, TTL: 2 * time.Second, Dead: true},
		},
		Waiters: []locking.StatusEntry{
			{Holder: locking.Holder{ID: "h3", Host: "node-c", PID: 12}, Level: locking.Exclusive, TTL: 15 * time.Second},
		},
		Notes: []string{"the register is on another file system than the database"},
	},
	"kernel": {
		Grade: locking.GradeKernel, Lock: "flock:///data/app.db",
		Holders: []locking.StatusEntry{{Level: locking.Shared}},
	},
	"takeover": {
		Grade: locking.GradeFenced, Lock: "leasefile:///data/app.db.lease", File: "app.db@7-0123abcd", Epoch: 9, TTL: 15 * time.Second,
		Holders: []locking.StatusEntry{
			{Holder: locking.Holder{ID: "h2", Host: "node-b", PID: 4711, Program: "holdfast"}, Level: locking.Exclusive,
				Age: 3 * time.Second, TTL: 15 * time.Second, Expires: 14 * time.Second},
		},
		Takeover: &locking.Takeover{
			From:  locking.Holder{ID: "h1", Host: "node-a", PID: 1, Pod: "app-0", Program: "server"},
			Since: time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC),
			By:    "h2", To: "app.db@9-deadbeef", Copied: 309_000_000, Total: 1_200_000_000,
		},
		Old:      []string{"app.db@5-00000001", "app.db@6-00000002"},
		Removing: &locking.Holder{ID: "h0", Host: "node-c", PID: 12},
		Notes:    []string{"app.db is there as well, but is not the database any more"},
	},
	"waiting": {
		Grade: locking.GradeFenced, Lock: "leasefile:///data/app.db.lease", Epoch: 4,
		Takeover: &locking.Takeover{From: locking.Holder{ID: "h1", Host: "node-a", PID: 1}, Since: time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)},
	},
	"free": {Grade: locking.GradeLease, Lock: "leasefile:///data/app.db.lease", Epoch: 3},
}

func TestWrite(t *testing.T) {
	for name, s := range statuses {
		t.Run(name, func(t *testing.T) {
			var people, program bytes.Buffer
			if err := Write(&people, s); err != nil {
				t.Fatal(err)
			}
			if err := WriteJSON(&program, s); err != nil {
				t.Fatal(err)
			}
			golden(t, name+".golden", people.String()+Line(s)+"\n")
			golden(t, name+".json.golden", program.String())
		})
	}
}

func TestProgress(t *testing.T) {
	for _, test := range []struct {
		done, total int64
		want        string
	}{
		{0, 0, "0 B"},
		{999, 1000, "999 B of 1.0 kB (99%)"},
		{99_949, 999_499, "99.9 kB of 999 kB (9%)"},
		{999_500, 9_960_000, "1.0 MB of 10.0 MB (10%)"},
		{5 << 40, 5 << 40, "5.5 TB of 5.5 TB (100%)"},
		{1 << 62, 1<<63 - 1, "4611686 TB of 9223372 TB (50%)"},
	} {
		if got := Progress(test.done, test.total); got != test.want {
			t.Errorf("Progress(%d, %d) = %q, want %q", test.done, test.total, got, test.want)
		}
	}
}
