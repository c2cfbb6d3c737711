//go:build linux

package chaos

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// Everybody who opens a database has to use one kind of lock. What can be noticed
// of the opposite is refused, in one line that names the remedy.
func TestMixedLocksAreRefused(t *testing.T) {
	t.Parallel()
	path := database(t)
	refused := func(name string, r reply, words ...string) {
		t.Helper()
		if r.Err == "" {
			t.Errorf("%s: it was not refused", name)
		}
		for _, word := range words {
			if !strings.Contains(r.Err, word) || strings.Contains(r.Err, "\n") {
				t.Errorf("%s: %q, want one line with %q", name, r.Err, word)
			}
		}
		t.Logf("%s: %s", name, r.Err)
	}
	open := func(a *helper, params ...string) reply {
		return a.do(request{Do: "open", SQL: dsn(path, params...)})
	}

	kernel := startAgent(t, dsn(path, "lock", "flock"))
	kernel.exec(`CREATE TABLE t (x)`)
	lease := startAgent(t, leased(path))
	lease.exec(`INSERT INTO t VALUES (1)`)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	newcomer := &helper{start(t, "agent", nil)}
	refused("flock beside a register", open(newcomer, "lock", "flock"), "lease", "leasefile")
	refused("a further connection with flock", open(kernel, "lock", "flock"), "lease", "leasefile")
	refused("flock where the process has a lease", open(lease, "lock", "flock"), "lock=leasefile")
	refused("another ttl in one process", open(lease, "lock", "leasefile", "ttl", "7s"), "ttl")
	refused("a register elsewhere", open(lease, "lock", "leasefile://"+t.TempDir()), "lock=leasefile")

	if r := open(newcomer); r.Err != "" {
		t.Errorf("without a choice: %s", r.Err)
	}
	serial := record(t, path).Serial
	newcomer.exec(`UPDATE t SET x = 2`)
	if now := record(t, path).Serial; now == serial {
		t.Error("who did not choose does not use the register that is there")
	}
	if now, err := os.ReadFile(path); err != nil || bytes.Equal(now, before) {
		t.Errorf("the update is not in the file: %v", err)
	}
}
