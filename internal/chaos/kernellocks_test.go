//go:build linux

package chaos

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// kernelLocks returns the kernel's locks of a process: on which file, and of what
// kind. Those that belong to an open file have no pid in /proc/locks, so it looks
// at what is told of each descriptor.
func kernelLocks(t *testing.T, p *process) (locks []string) {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fdinfo", p.pid())
	fds, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		text, err := os.ReadFile(filepath.Join(dir, fd.Name()))
		if err != nil {
			continue // closed since
		}
		for line := range strings.Lines(string(text)) {
			if lock, ok := strings.CutPrefix(line, "lock:"); ok {
				file, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", p.pid(), fd.Name()))
				locks = append(locks, file+":"+strings.Join(strings.Fields(lock), " "))
			}
		}
	}
	return locks
}

// locksOn returns the lines of /proc/locks about a file in a directory or below it,
// or about one of some processes.
func locksOn(t *testing.T, dir string, ps ...*process) (lines []string) {
	t.Helper()
	inodes := make(map[string]bool)
	err := filepath.Walk(dir, func(_ string, info os.FileInfo, err error) error {
		if err == nil {
			inodes[fmt.Sprint(info.Sys().(*syscall.Stat_t).Ino)] = true
		}
		return nil // what is gone by now has no lock
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("/proc/locks")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(strings.Replace(line, "-> ", "", 1))
		inode := fields[5][strings.LastIndexByte(fields[5], ':')+1:]
		mine := slices.ContainsFunc(ps, func(p *process) bool { return fields[4] == fmt.Sprint(p.pid()) })
		if mine || inodes[inode] {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

// A process with a lease holds no lock of the kernel, whatever it is doing. The same
// with flock shows that one would be seen.
func TestLeaseTakesNoKernelLock(t *testing.T) {
	for _, tt := range []struct {
		lock string
		want bool
	}{{"leasefile", false}, {"flock", true}} {
		t.Run(tt.lock, func(t *testing.T) {
			t.Parallel()
			path := database(t)
			look := func(when string, a *helper) {
				t.Helper()
				locks := append(kernelLocks(t, a.process), locksOn(t, filepath.Dir(path), a.process)...)
				if got := len(locks) > 0; got != tt.want {
					t.Errorf("%s: %s has locks %q", when, a, locks)
				}
			}
			dsn := dsn(path, "lock", tt.lock, "_pragma", "busy_timeout(60000)", "_pragma", spill)
			a, b := startAgent(t, dsn), startAgent(t, dsn)
			a.exec(`CREATE TABLE t (x)`)
			a.must("begin", "")
			a.exec(fillTable)
			look("in mid-transaction", a)
			b.ask(request{Do: "exec", SQL: `INSERT INTO t VALUES (1)`})
			if tt.lock == "leasefile" {
				awaitWaiter(t, path)
				look("waiting", b)
			}
			a.must("commit", "")
			b.answer()
			for _, r := range []*helper{a, b} {
				r.must("begin", "")
				r.value(`SELECT count(*) FROM t`)
			}
			look("reading", a)
			look("reading", b)
		})
	}
}

const fillTable = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 300) INSERT INTO t SELECT randomblob(1000) FROM n`

// In WAL mode the connections of a process agree among themselves by locks on a
// file of their own, which no other process and no other host has to do with.
func TestLeaseTakesNoKernelLockOnWAL(t *testing.T) {
	t.Parallel()
	path := database(t)
	a := startAgent(t, leased(path, "_pragma", "journal_mode(wal)"))
	a.exec(`CREATE TABLE t (x)`)
	a.must("begin", "")
	a.exec(fillTable)
	if locks := locksOn(t, filepath.Dir(path)); len(locks) > 0 {
		t.Errorf("locks on the database or beside it: %q", locks)
	}
	for _, lock := range kernelLocks(t, a.process) {
		if !strings.HasPrefix(filepath.Base(filepath.Dir(lock[:strings.Index(lock, ":")])), "holdfast-") {
			t.Errorf("a lock on a file that is not private: %s", lock)
		}
	}
	a.must("commit", "")
}
