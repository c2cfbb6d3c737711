//go:build linux

package chaos

import (
	"bytes"
	"cmp"
	"context"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/spf13/afero"

	"github.com/holdfastdb/holdfast/backends/leasefile"
	"github.com/holdfastdb/holdfast/locking"
)

const (
	realEnv   = "HOLDFAST_REAL"   // 1: the long form, with everything
	sharedEnv = "HOLDFAST_SHARED" // where data/chinook.db is
	seedEnv   = "HOLDFAST_SEED"
)

func realRun() bool { return os.Getenv(realEnv) == "1" }

// lasting returns one of two values: for a short run and for a long one.
func lasting[T any](short, long T) T {
	if realRun() {
		return long
	}
	return short
}

// choices returns a source of random choices, which is the same for the same seed.
// A failing test tells the seed.
func choices(t testing.TB) (*rand.Rand, uint64) {
	t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv(seedEnv); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("%s: %v", seedEnv, err)
		}
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("to repeat the choices: %s=%d", seedEnv, seed)
		}
	})
	return rand.New(rand.NewPCG(seed, 0)), seed
}

// between returns a random duration.
func between(r *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(r.Int64N(int64(most-least)+1))
}

// dsn makes a data source name of a path and parameters, given as key, value, ...
func dsn(path string, params ...string) string {
	values := url.Values{}
	for i := 0; i < len(params); i += 2 {
		values.Add(params[i], params[i+1])
	}
	return (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: values.Encode()}).String()
}

// leased is dsn with lock=leasefile and a busy timeout longer than any test.
func leased(path string, params ...string) string {
	return dsn(path, append([]string{"lock", "leasefile", "_pragma", "busy_timeout(60000)"}, params...)...)
}

// database returns the path of a database that does not exist yet.
func database(t testing.TB) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "app.db")
}

// record reads the register of a database.
func record(t testing.TB, path string) locking.Record {
	t.Helper()
	r, err := readRecord(path)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func readRecord(path string) (locking.Record, error) {
	value, _, err := leasefile.New(afero.NewOsFs(), path+leasefile.Suffix).Read(context.Background())
	if err != nil {
		return locking.Record{}, err
	}
	return locking.DecodeRecord(value)
}

// stock runs SQL with the sqlite3 program. It reports false where there is none.
func stock(t testing.TB, path, sql string) (out string, ok bool) {
	t.Helper()
	program, err := exec.LookPath("sqlite3")
	if err != nil {
		if realRun() {
			t.Fatalf("%s=1 needs the sqlite3 program: %v", realEnv, err)
		}
		t.Logf("NOT COMPARED with the sqlite3 program: %v", err)
		return "", false
	}
	cmd := exec.CommandContext(t.Context(), program, "-batch", "-bail", currentFile(path))
	cmd.Stdin = strings.NewReader(sql)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("sqlite3 %s: %v: %s", path, err, stderr.String())
	}
	return stdout.String(), true
}

// currentFile returns where a database is by now: after a takeover sqlite3 has to be
// told.
func currentFile(path string) string {
	if lock, ok := remote.Load(path); ok {
		return filepath.Join(filepath.Dir(path), cmp.Or(lock.(remoteLock).file(path), filepath.Base(path)))
	}
	if r, err := readRecord(path); err == nil && r.File != "" {
		return filepath.Join(filepath.Dir(path), r.File)
	}
	return path
}

// intact fails the test unless the database is sound, for us and for sqlite3. That
// knows nothing of leases, so a closes its database first.
func intact(t testing.TB, path string, a *helper) {
	t.Helper()
	if got := a.value("PRAGMA integrity_check"); got != "ok" {
		t.Errorf("integrity_check: %s", got)
	}
	a.must("close", "")
	if got, ok := stock(t, path, "PRAGMA integrity_check;"); ok && got != "ok\n" {
		t.Errorf("integrity_check of sqlite3: %s", got)
	}
}
