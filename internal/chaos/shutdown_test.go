//go:build linux

package chaos

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// repair undoes what was done to a register.
func repair(t *testing.T, register string) {
	t.Helper()
	os.Remove(filepath.Join(filepath.Dir(register), "hang"))
	if _, err := os.Stat(register + "-elsewhere"); err != nil {
		return
	}
	if err := errors.Join(os.RemoveAll(register), os.Rename(register+"-elsewhere", register)); err != nil {
		t.Fatal(err)
	}
}

// A process that is told to end while its register cannot be reached ends within
// its bound, in mid-transaction too, and says what it could not do.
func TestShutdownWithoutRegister(t *testing.T) {
	const ttl = 6 * time.Second
	move := func(t *testing.T, from, to string) {
		t.Helper()
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	exchange := func(t *testing.T, a, b string) { // so that it is never not there
		t.Helper()
		if err := unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE); err != nil {
			t.Fatal(err)
		}
	}
	create := func(t *testing.T, path string) {
		t.Helper()
		if err := os.WriteFile(path, []byte("not a register"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name, lock string
		spoil      func(t *testing.T, register string)
		says       string // whoever is in a transaction asks the register before it rolls that back
	}{
		{"moved away", "leasefile", func(t *testing.T, register string) {
			move(t, register, register+"-elsewhere")
		}, `lease is lost: its register was removed`},
		{"replaced by a file", "leasefile", func(t *testing.T, register string) {
			create(t, register+"-elsewhere")
			exchange(t, register, register+"-elsewhere")
		}, `(lease could not be given up; others can go on after ` + ttl.String() + `|lease is lost: it could not be verified): .*not a directory`},
		{"emptied", "leasefile", func(t *testing.T, register string) {
			if err := os.Mkdir(register+"-elsewhere", 0o777); err != nil {
				t.Fatal(err)
			}
			exchange(t, register, register+"-elsewhere")
		}, `(lease could not be given up; others can go on after ` + ttl.String() + `|lease is lost: it could not be verified): .*empty directory`},
		{"hanging", "hanging", func(t *testing.T, register string) {
			create(t, filepath.Join(filepath.Dir(register), "hang"))
		}, `an operation on the register hangs; others can go on after ` + ttl.String()},
	} {
		for _, busy := range []bool{false, true} {
			name := tt.name + ", idle"
			if busy {
				name = tt.name + ", in mid-transaction"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				path := database(t)
				a := startAgent(t, dsn(path, "lock", tt.lock, "ttl", ttl.String(), "_pragma", spill))
				a.exec(`CREATE TABLE t (x)`)
				if busy {
					a.must("begin", "")
					a.exec(fillTable)
				}
				tt.spoil(t, path+".lease")
				a.signal(syscall.SIGTERM)
				r := a.answer()
				// A third of the ttl for Close, and as much for a statement that finds out. The rest is
				// for a busy machine, and less than another third.
				if took, bound := r.took(), ttl-200*time.Millisecond; took > bound {
					t.Errorf("it ended after %v, want at most %v", took, bound)
				}
				a.ended(patience)
				if log := a.stderr.String(); !regexp.MustCompile(tt.says).MatchString(log) {
					t.Errorf("it says nothing like %q:\n%s", tt.says, log)
				}
				t.Logf("ended after %v", r.took().Round(time.Millisecond))

				repair(t, path+".lease")
				b := startAgent(t, leased(path, "ttl", ttl.String()))
				b.exec(`INSERT INTO t VALUES (1)`)
				if got := b.value(`SELECT count(*) FROM t`); got != "1" {
					t.Errorf("%s rows, want the one that was committed", got)
				}
				intact(t, path, b)
			})
		}
	}
}
