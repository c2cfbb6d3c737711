//go:build !wasip1

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"net/url"
	"testing"

	"github.com/ncruces/go-sqlite3"
	"github.com/spf13/afero"

	"github.com/holdfastdb/holdfast/backends/memory"
	"github.com/holdfastdb/holdfast/locking"
	"github.com/holdfastdb/holdfast/vfs"
	"github.com/holdfastdb/holdfast/vfs/vfstest"
)

var trials = flag.Uint64("cipherfs.trials", 2, "crash trials for each journal mode and kind of crash")

// leased opens locks that nobody else has. Without a fence they are of grade lease.
func leased(fenced bool) vfs.Opener {
	return func(_ context.Context, _ string, _ url.Values, storage locking.Storage) (locking.Locker, error) {
		o := locking.Options{}
		if fenced {
			o.Storage = storage
		}
		return locking.NewCoordinator(memory.New(), o)
	}
}

// A power cut tears blocks in their middle, and a process dies between two writes.
// Whatever SQLite's journal or WAL is to repair, it can.
func TestCrash(t *testing.T) {
	start := func(under afero.Fs) (string, func()) {
		return register(newPlain(t, under, someKey), leased(false))
	}
	for name, tt := range map[string]struct {
		setup string
		lazy  bool // a power cut may take commits along
	}{
		"delete":         {"PRAGMA journal_mode=delete; PRAGMA synchronous=extra", false},
		"truncate":       {"PRAGMA journal_mode=truncate; PRAGMA synchronous=full", false},
		"persist":        {"PRAGMA journal_mode=persist; PRAGMA synchronous=full", false},
		"wal":            {"PRAGMA journal_mode=wal; PRAGMA synchronous=full; PRAGMA wal_autocheckpoint=8", false},
		"wal, normal":    {"PRAGMA journal_mode=wal; PRAGMA synchronous=normal; PRAGMA wal_autocheckpoint=8", true},
		"large pages":    {"PRAGMA page_size=16384; PRAGMA journal_mode=truncate; PRAGMA synchronous=full", false},
		"wal, exclusive": {"PRAGMA locking_mode=exclusive; PRAGMA journal_mode=wal; PRAGMA synchronous=full; PRAGMA wal_autocheckpoint=8", false},
	} {
		for end, run := range map[string]func(vfstest.Trial) error{
			"power cut": func(t vfstest.Trial) error {
				if tt.lazy {
					t.Missing = math.MaxInt
				}
				return t.Run(vfstest.PowerCut)
			},
			"kill":   func(t vfstest.Trial) error { return t.Run(vfstest.Kill) },
			"faults": vfstest.Trial.RunFaults,
		} {
			t.Run(name+"/"+end, func(t *testing.T) {
				t.Parallel()
				for seed := range *trials {
					if err := run(vfstest.Trial{Start: start, Setup: tt.setup, Seed: seed}); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
}

// Of two connections with one WAL the first rolls back what it has spilled there, the
// second commits over it, and the power goes while the first one writes again.
func TestCrashOfTwoConnections(t *testing.T) {
	off := errors.New("the power is off")
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 0))
			disk := vfstest.NewDisk()
			armed, cut := false, false
			name := started(t, newPlain(t, vfstest.Faulty(disk, func(op vfstest.Op) error {
				switch {
				case cut:
					return off
				case armed && op.Kind == "write":
					cut = true
					return vfstest.Short{Bytes: rng.IntN(op.Size + 1), Err: off}
				}
				return nil
			}), someKey))
			a, b := connect(t, name), connect(t, name)
			do(t, a, "CREATE TABLE t(n); INSERT INTO t VALUES(1)")
			do(t, b, "INSERT INTO t VALUES(2)")
			do(t, a, `PRAGMA cache_size=1; BEGIN; WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c WHERE n<60)
				INSERT INTO t SELECT randomblob(3000) FROM c; ROLLBACK`)
			do(t, b, "INSERT INTO t VALUES(3)")
			armed = true
			if err := a.Exec("INSERT INTO t VALUES(4)"); err == nil {
				t.Fatal("the power is still on")
			}
			after := connect(t, started(t, newPlain(t, disk.PowerCut(rng), someKey)))
			do(t, after, "CREATE TEMP TABLE want(n CHECK(n=3)); INSERT INTO want SELECT count(*) FROM t WHERE n<4")
		})
	}
}

// started has SQLite find a file system by the name that is returned, until the test ends.
func started(t *testing.T, files afero.Fs) string {
	name, stop := register(files, leased(false))
	t.Cleanup(stop)
	return name
}

// connect opens a database in WAL mode, whose commits are all synced.
func connect(t *testing.T, vfs string) *sqlite3.Conn {
	t.Helper()
	conn, err := sqlite3.Open("file:/app.db?vfs=" + vfs)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	do(t, conn, "PRAGMA journal_mode=wal; PRAGMA synchronous=full")
	return conn
}

func do(t *testing.T, conn *sqlite3.Conn, sql string) {
	t.Helper()
	if err := conn.Exec(sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}
