package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
)

// Output that does not fit on the disk is told; a reader that went away is not.
func TestFullDiskUnderTheOutputIsTold(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	var stderr bytes.Buffer
	code := run(t.Context(), []string{"shell", t.TempDir() + "/a.db", "SELECT 1"}, strings.NewReader(""), full, &stderr)
	if code != failed || !strings.Contains(stderr.String(), "no space left on device") {
		t.Errorf("exit %d, stderr %q: want %d and why", code, stderr.String(), failed)
	}
}

// TestBackupThatDoesNotFit: no journal stays that would be played back into whatever
// is put in its place, and a later backup finds nothing in its way.
func TestBackupThatDoesNotFit(t *testing.T) {
	for _, lock := range []string{"flock", "leasefile"} {
		t.Run(lock, func(t *testing.T) {
			t.Chdir(t.TempDir())
			t.Setenv("HOLDFAST_LOCK", lock)
			runCommand(t, "", "shell", "src.db", "CREATE TABLE t(a)", "INSERT INTO t SELECT zeroblob(4000) FROM generate_series(1, 1000)")
			cmd := program(t, "shell", "src.db", ".backup dst.db")
			cmd.Args = append([]string{"sh", "-c", `ulimit -f 2000; exec "$0" "$@"`, cmd.Path}, cmd.Args[1:]...)
			cmd.Path = "/bin/sh"
			var told bytes.Buffer
			cmd.Stderr = &told
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if code := exitCode(t, cmd); code != failed || strings.Count(told.String(), "disk I/O error") != 1 {
				t.Errorf("exit %d, %q: want %d and why, once", code, told.String(), failed)
			}
			if _, err := os.Stat("dst.db-journal"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the journal is there: %v", err)
			}
			// On a disk that is full there is no room to give the lease up or take it anew.
			if got := runCommand(t, "", "status", "dst.db"); lock == "leasefile" && !strings.Contains(got.out, "epoch    1\n") {
				t.Errorf("another than who left the journal removed it:\n%s", got.out)
			}
			for _, test := range []struct{ db, statement, want string }{
				{"dst.db", "SELECT count(*) FROM sqlite_schema", "0\n"},
				{"src.db", ".backup dst.db", ""},
				{"dst.db", "SELECT count(*) FROM t", "1000\n"},
			} {
				if got := runCommand(t, "", "shell", test.db, test.statement); got != (outcome{out: test.want}) {
					t.Errorf("%s: %+v, want %q", test.statement, got, test.want)
				}
			}
		})
	}
}
