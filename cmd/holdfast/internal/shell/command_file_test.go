package shell

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfastdb/holdfast"
	"github.com/holdfastdb/holdfast/cmd/holdfast/internal/target"
)

// exclusively has another connection hold a database until the function that it
// returns is called.
func exclusively(t *testing.T, dsn string) (release func()) {
	t.Helper()
	pool, err := holdfast.Open(dsn, holdfast.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pool.Close() })
	conn, err := pool.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(t.Context(), `BEGIN EXCLUSIVE`); err != nil {
		t.Fatal(err)
	}
	return func() {
		if _, err := conn.ExecContext(t.Context(), `COMMIT`); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(conn.Close(), pool.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// appears waits until there is a file.
func appears(t *testing.T, path string) {
	t.Helper()
	for limit := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(path); err == nil {
			return
		} else if time.Now().After(limit) {
			t.Fatal(err)
		}
	}
}

// named is the target of a file without further ado.
func named(t *testing.T, file string) target.Target {
	t.Helper()
	db, err := target.Parse(file, target.Flags{})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// TestBackupThatFails: what another process wrote to the copy meanwhile stays, and a
// later backup finds nothing in its way.
func TestBackupThatFails(t *testing.T) {
	for _, lock := range []string{"flock", "leasefile"} {
		for _, others := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, with others %v", lock, others), func(t *testing.T) {
				t.Setenv("HOLDFAST_LOCK", lock)
				db, copied := database(t), filepath.Join(t.TempDir(), "copy.db")
				run(t, Options{Target: db, Statements: []string{"CREATE TABLE t(a)"}}).check(t, "", "", false)
				release := exclusively(t, db.DSN)
				interrupts := make(chan os.Signal, 1)
				var told bytes.Buffer
				ended := make(chan error, 1)
				go func() {
					ended <- Run(t.Context(), Options{Target: db, Out: &bytes.Buffer{}, Err: &told, Interrupts: interrupts,
						Statements: []string{".timeout 60000", ".backup '" + copied + "'"}})
				}()
				appears(t, copied)
				want := "t\n"
				if others {
					run(t, Options{Target: named(t, copied), Statements: []string{"CREATE TABLE precious(a)"}}).check(t, "", "", false)
					want = "precious\n"
				}
				interrupts <- os.Interrupt
				if err := <-ended; !errors.Is(err, ErrFailed) || !strings.Contains(told.String(), "interrupted") {
					t.Fatalf("the shell returned %v and said %q", err, told.String())
				}
				release()
				if !others {
					run(t, Options{Target: db, Statements: []string{".backup '" + copied + "'"}}).check(t, "", "", false)
				}
				run(t, Options{Target: named(t, copied), Statements: []string{".tables"}}).check(t, want, "", false)
			})
		}
	}
}

// TestRestoreWaits: a source that another process has is waited for, as .timeout says,
// and whoever is in the way is named.
func TestRestoreWaits(t *testing.T) {
	t.Setenv("HOLDFAST_LOCK", "leasefile")
	db, source := database(t), filepath.Join(t.TempDir(), "source.db")
	run(t, Options{Target: named(t, source), Statements: []string{"CREATE TABLE t(a)"}}).check(t, "", "", false)
	release := exclusively(t, named(t, source).DSN)
	r := run(t, Options{Target: db, Statements: []string{".timeout 10", ".restore '" + source + "'"}})
	for _, want := range []string{"restore from " + source, "EXCLUSIVE", "pid"} {
		if !strings.Contains(r.err, want) {
			t.Errorf("it said %q, want %q in it", r.err, want)
		}
	}

	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	in := newFollower()
	ended := make(chan error, 1)
	wait := func(timeout string) {
		ended <- Run(ctx, Options{Target: db, Out: in, Err: &bytes.Buffer{}, Statements: []string{".timeout " + timeout, ".print waits", ".restore '" + source + "'"}})
	}
	go wait("600000")
	in.await(t, "waits\n")
	why := errors.New("told to end")
	cancel(why)
	if err := <-ended; !errors.Is(err, why) {
		t.Errorf("the shell returned %v, want %v", err, why)
	}

	ctx, in = t.Context(), newFollower()
	go wait("60000")
	in.await(t, "waits\n")
	release()
	if err := <-ended; err != nil {
		t.Errorf("once the source was free: %v", err)
	}
	run(t, Options{Target: db, Statements: []string{".tables"}}).check(t, "t\n", "", false)
}

// TestRestoreThatCannotBeStopped: that it was done is told, since what follows tells of
// an interrupt alone.
func TestRestoreThatCannotBeStopped(t *testing.T) {
	source := filepath.Join(t.TempDir(), "source.db")
	run(t, Options{Target: named(t, source), Statements: []string{"CREATE TABLE restored(a)"}}).check(t, "", "", false)
	var told bytes.Buffer
	sh := &Shell{opts: Options{Err: &told}, session: connected(t, database(t).DSN)}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if err := sh.session.acquire(ctx); err != nil {
		t.Fatal(err)
	}
	stop := reads(t, sh.session.target.DSN)
	err := sh.session.raw.BusyHandler(func(context.Context, int) bool { // it is about to commit
		cancel()
		stop()
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := restore(sh, ctx, []string{source}); err != nil || ctx.Err() == nil {
		t.Errorf("restore = %v, interrupted: %v", err, ctx.Err())
	}
	if want := "restored from " + source + " before it could be interrupted\n"; told.String() != want {
		t.Errorf("it said %q, want %q", told.String(), want)
	}
	sh.session.raw.SetInterrupt(t.Context())
	if names, err := sh.session.strings(`SELECT name FROM sqlite_schema`); err != nil || len(names) != 1 || names[0] != "restored" {
		t.Errorf("there are %v, %v", names, err)
	}
}

// TestParametersOfAPath: whoever writes parameters means them, and gets no file that
// is named so; in a data source name they count.
func TestParametersOfAPath(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	run(t, Options{Target: named(t, "file:app.db?lock=flock"), Statements: []string{"CREATE TABLE t(a)"}}).check(t, "", "", false)
	for _, command := range []string{".open", ".backup", ".restore"} {
		r := run(t, Options{Target: named(t, "app.db"), In: strings.NewReader(command + " copy.db?lock=leasefile\n")})
		if !strings.Contains(r.err, "write file:copy.db?lock=leasefile") || strings.Count(r.err, "\n") != 1 || r.failed == nil {
			t.Errorf("%s: %q (%v)", command, r.err, r.failed)
		}
	}
	files, err := os.ReadDir(".")
	if err != nil || len(files) != 1 {
		t.Errorf("there are %v (%v), want app.db alone", files, err)
	}
	for _, name := range []string{"app.db", "file:app.db", "file:" + filepath.ToSlash(dir) + "/app.db?lock=flock"} {
		r := run(t, Options{Target: named(t, "app.db"), In: strings.NewReader(".backup " + name + "\n")})
		if !strings.Contains(r.err, "is this very database") {
			t.Errorf(".backup %s: %q", name, r.err)
		}
	}
	run(t, Options{Target: named(t, "app.db"), Statements: []string{".backup file:copy.db?lock=leasefile"}}).check(t, "", "", false)
	if _, err := os.Stat("copy.db.lease"); err != nil {
		t.Errorf("the lock of the copy is not the one that was named: %v", err)
	}
}
