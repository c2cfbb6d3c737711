package flock

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"math"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfastdb/holdfast/locking"
	"golang.org/x/sys/unix"
)

func init() {
	roles["posix"] = posix
	roles["observe"] = observe
}

// posix takes the locks of SQLite's own VFS, which belong to the process, on the
// bytes that it reads: type, start, length.
func posix(database string) func(string) error {
	file, err := os.OpenFile(database, os.O_RDWR, 0)
	if err != nil {
		log.Fatal(err)
	}
	return func(line string) error {
		var lk unix.Flock_t
		if _, err := fmt.Sscan(line, &lk.Type, &lk.Start, &lk.Len); err != nil {
			return err
		}
		return unix.FcntlFlock(file.Fd(), unix.F_SETLK, &lk)
	}
}

// observe answers with what it sees: as an error, since that is text.
func observe(database string) func(string) error {
	l, err := New(database)
	if err != nil {
		log.Fatal(err)
	}
	k, err := l.NewLock()
	if err != nil {
		log.Fatal(err)
	}
	return func(string) error {
		st, err := l.Status(context.Background())
		if err != nil {
			return err
		}
		held := k.Lock(context.Background(), locking.Shared, nil)
		text, err := json.Marshal(st)
		return fmt.Errorf("%s %w %w", text, held, err)
	}
}

// A stock sqlite3 is found by the kernel's own word, whatever it shows of the
// process.
func TestPerProcessLocks(t *testing.T) {
	database := newDatabase(t)
	l := newLocker(t, database).(*locker)
	k, c := newLock(t, l), startChild(t, "posix", database)
	set := func(kind int, first, last int64) {
		t.Helper()
		if err := c.do(fmt.Sprint(kind, first, last-first+1)); err != nil {
			t.Fatal(err)
		}
	}
	lockErr := func(levels ...locking.Level) (err error) {
		for _, level := range levels {
			err = errors.Join(err, k.Lock(context.Background(), level, nil))
		}
		return errors.Join(err, k.Unlock(none))
	}
	const sharedFirst, sharedLast = 0x40000002, 0x400001ff
	for _, step := range []struct {
		kind        int
		first, last int64
		level       locking.Level   // of the other after this
		way         []locking.Level // ours, the last of which fails
	}{
		{unix.F_RDLCK, 0x40000000, 0x40000000, none, nil}, // a reader comes in
		{unix.F_RDLCK, sharedFirst, sharedLast, shared, []locking.Level{shared, exclusive}},
		{unix.F_UNLCK, 0x40000000, 0x40000000, shared, []locking.Level{shared, exclusive}},
		{unix.F_WRLCK, 0x40000001, 0x40000001, reserved, []locking.Level{shared, reserved}},
		{unix.F_WRLCK, 0x40000000, 0x40000000, pending, []locking.Level{shared}},
		{unix.F_WRLCK, sharedFirst, sharedLast, exclusive, []locking.Level{shared}},
		{unix.F_RDLCK, sharedFirst, sharedLast, pending, []locking.Level{shared}},
		{unix.F_UNLCK, 0x40000000, 0x40000001, shared, []locking.Level{shared, exclusive}},
		{unix.F_UNLCK, 0, math.MaxInt64 - 1, none, nil},
	} {
		set(step.kind, step.first, step.last)
		if step.way == nil {
			wantStatus(t, l)
			continue
		}
		wantStatus(t, l, locking.StatusEntry{Holder: by(l, c), Level: step.level})
		err := lockErr(step.way...)
		wantHeld(t, err, locking.HeldError{Holder: by(l, c), Level: step.level, Wanted: step.way[len(step.way)-1]})
	}
}

// The very same bytes as SQLite, no fewer and no more.
func TestSameBytesAsStock(t *testing.T) {
	database := newDatabase(t)
	newTable(t, database)
	file, err := os.Open(database)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	in, err := identify(file)
	if err != nil {
		t.Fatal(err)
	}
	held := func(pid int) (all []kernelLock) {
		for _, locks := range in.descriptors(pid) {
			all = append(all, locks...)
		}
		slices.SortFunc(all, func(a, b kernelLock) int { return cmp.Compare(a.first, b.first) })
		return all
	}
	k, c := newLock(t, newLocker(t, database)), startChild(t, "stock", database)
	for level, sql := range map[locking.Level]string{
		shared:    `BEGIN; SELECT * FROM t`,
		reserved:  `BEGIN IMMEDIATE`,
		exclusive: `BEGIN EXCLUSIVE`,
	} {
		wantDone(t, c, sql)
		want := held(c.pid())
		wantDone(t, c, `ROLLBACK`)
		climb(t, k, way[level]...)
		if got := held(os.Getpid()); !slices.Equal(got, want) || len(got) == 0 {
			t.Errorf("locks at %v = %+v, want %+v as go-sqlite3", level, got, want)
		}
		climbDown(t, k, none)
	}
}

// From another pid namespace the kernel shows a lock, but not whose it is.
func TestHolderInAnotherContainer(t *testing.T) {
	for name, flags := range map[string][]string{
		"with a /proc of its own":    {"--pid", "--mount-proc"},
		"with the /proc of its host": {"--pid"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLocker(t, newDatabase(t)).(*locker)
			k := newLock(t, l)
			c := startChild(t, "observe", l.database, unshare(t, flags...)...)
			climb(t, k, way[exclusive]...)
			text := c.do("").Error()
			for _, want := range []string{
				`"holders":[{"holder":{"id":"","host":"","pid":0},"level":`,
				`"notes":["`,
				"by a process that the kernel does not name",
			} {
				if !strings.Contains(text, want) {
					t.Errorf("%s\nwant %s", text, want)
				}
			}
			climbDown(t, k, none)
			if text := c.do("").Error(); !strings.Contains(text, `"holders":null`) {
				t.Errorf("%s\nwant no holders", text)
			}
		})
	}
}

// unshare returns the command that runs another one in new namespaces, as root or,
// for others, in a user namespace. It skips the test where the system has none.
func unshare(t *testing.T, flags ...string) []string {
	t.Helper()
	var refused []string
	for _, user := range [][]string{nil, {"--user", "--map-root-user"}} {
		command := append(append([]string{"unshare", "--fork"}, user...), flags...)
		out, err := exec.Command(command[0], append(command[1:], "true")...).CombinedOutput()
		if err == nil {
			return command
		}
		refused = append(refused, fmt.Sprintf("%q: %v: %s", command, err, out))
	}
	t.Skipf("NOT TESTED HERE, this system lets nobody make a namespace: %s", refused)
	return nil
}

func TestParseLock(t *testing.T) {
	const in = inode("fd:01:5678")
	for _, tt := range []struct {
		line string
		want kernelLock
		ok   bool
	}{
		{"1: POSIX  ADVISORY  WRITE 1234 fd:01:5678 1073741825 1073741825", kernelLock{1234, true, 0x40000001, 0x40000001}, true},
		{"\t12: OFDLCK ADVISORY  READ -1 fd:01:5678 1073741826 1073742335\n", kernelLock{0, false, 0x40000002, 0x400001ff}, true},
		{"1: POSIX  ADVISORY  READ 1 fd:01:5678 0 EOF", kernelLock{1, false, 0, math.MaxInt64}, true},
		{"1: -> POSIX  ADVISORY  WRITE 1234 fd:01:5678 1073741825 1073741825", kernelLock{}, false},
		{"1: POSIX  ADVISORY  WRITE 1234 fd:01:56789 1073741825 1073741825", kernelLock{}, false},
		{"1: POSIX  ADVISORY  WRITE 1234 fd:02:5678 1073741825 1073741825", kernelLock{}, false},
		{"1: FLOCK  ADVISORY  WRITE 1234 fd:01:5678 0 EOF", kernelLock{}, false},
		{"1: POSIX  ADVISORY  WRITE x fd:01:5678 0 EOF", kernelLock{}, false},
		{"1: POSIX  ADVISORY  WRITE 1 fd:01:5678 y EOF", kernelLock{}, false},
		{"1: POSIX  ADVISORY  WRITE 1 fd:01:5678 0 z", kernelLock{}, false},
		{"", kernelLock{}, false},
	} {
		if got, ok := in.parse(tt.line); got != tt.want || ok != tt.ok {
			t.Errorf("parse(%q) = %+v, %v, want %+v, %v", tt.line, got, ok, tt.want, tt.ok)
		}
	}
}

// However often a program asks, it is not made slower than a search allows.
func TestSearchIsRationed(t *testing.T) {
	database := newDatabase(t)
	l := newLocker(t, database).(*locker)
	k, c := newLock(t, l), startChild(t, "ours", database)
	for _, step := range way[exclusive] {
		if err := c.do(step.String()); err != nil {
			t.Fatal(err)
		}
	}
	l.search.began, l.search.took = time.Now(), time.Hour
	err := k.Lock(context.Background(), shared, nil)
	wantHeld(t, err, locking.HeldError{Level: exclusive, Wanted: shared})

	l.search.took = 0
	wantHeldBy(t, k.Lock(context.Background(), shared, nil), l, c, exclusive, shared)
	if l.search.took == 0 || time.Since(l.search.began) < l.search.took {
		t.Errorf("a search took %v at %v", l.search.took, l.search.began)
	}

	// Whom it found last it finds again without searching.
	l.search.began, l.search.took = time.Now(), time.Hour
	wantHeldBy(t, k.Lock(context.Background(), shared, nil), l, c, exclusive, shared)
}

func TestOwnConnectionNeedsNoSearch(t *testing.T) {
	l := newLocker(t, newDatabase(t)).(*locker)
	climb(t, newLock(t, l), way[exclusive]...)
	err := newLock(t, l).Lock(context.Background(), shared, nil)
	wantHeld(t, errors.Unwrap(err), locking.HeldError{Holder: l.self, Level: exclusive, Wanted: shared})
	if !l.search.began.IsZero() {
		t.Error("a search for what is known")
	}
}

// A climb to EXCLUSIVE is not in its own way.
func TestSearchSkipsItself(t *testing.T) {
	database := newDatabase(t)
	l := newLocker(t, database).(*locker)
	k, c := newLock(t, l), startChild(t, "ours", database)
	if err := c.do("SHARED"); err != nil {
		t.Fatal(err)
	}
	climb(t, k, shared, reserved)
	wantHeldBy(t, k.Lock(context.Background(), exclusive, nil), l, c, shared, exclusive)
}
