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
