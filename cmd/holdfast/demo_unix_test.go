//go:build unix

package main

import (
	"context"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/creack/pty"
)

// TestDemo runs the whole demonstration, with processes of this binary.
func TestDemo(t *testing.T) {
	dir := t.TempDir()
	got := runCommand(t, "", "demo", "--dir", dir, "--seconds", "3", "--ttl", "3s")
	if got.code != done || got.err != "" {
		t.Fatalf("exit code %d: %s\n%s", got.code, got.err, got.out)
	}
	for _, want := range []string{
		`B is killed inside transaction \d+, holding EXCLUSIVE`,
		`[AC] goes on .* later`,
		`the database is bank\.db(@\d+-[0-9a-f]{8})?(; there is still \S+)*\n(.*\n){1,3}.*A is frozen inside transaction \d+, holding EXCLUSIVE`,
		`C takes over .* later, when A's lease has expired, and goes on in a copy\n.*the database is bank\.db@\d+-[0-9a-f]{8}`,
		`A wakes up, its clock as far behind as it was frozen, and commits transaction \d+ in its old belief`,
		`A is refused, transaction \d+ never happened: .*lease is lost: another process took it over`,
		`A goes on with a new connection`,
		`Who held the database`,
		`killed in a transaction`,
		`frozen in a transaction; woken, refused`,
		`ok  \d+ turns`,
		`ok  \d+ rows acknowledged, each is there exactly once`,
		`ok  2 transactions killed or refused`,
		`ok  the bank still has 10000`,
		`ok  PRAGMA integrity_check says ok`,
	} {
		if !regexp.MustCompile(want).MatchString(got.out) {
			t.Errorf("no %q in\n%s", want, got.out)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}

// TestDemoOnTerminal: the state is redrawn, and Ctrl-C leaves nothing behind.
func TestDemoOnTerminal(t *testing.T) {
	dir := t.TempDir()
	cmd := program(t, "demo", "--dir", dir, "--seconds", "20")
	screen, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 20, Cols: 100})
	if err != nil {
		t.Fatal(err)
	}
	defer screen.Close()
	out := read(screen)
	out.await(t, `epoch \d+, held by [ABC]\s+>? ?[ >]*A +writing +\d+ rows`)
	io.WriteString(screen, "\x03")
	out.await(t, `interrupted; all its processes are gone`)
	if code := exitCode(t, cmd); code != failed {
		t.Errorf("exit code %d after Ctrl-C, want %d", code, failed)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}

// TestDemoInterruptedWhileFrozen: also the frozen one goes.
func TestDemoInterruptedWhileFrozen(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	dir := t.TempDir()
	pipe, out := io.Pipe()
	seen := read(pipe)
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"demo", "--dir", dir, "--seconds", "1", "--ttl", "10s"}, strings.NewReader(""), out, io.Discard)
	}()
	seen.await(t, `A is frozen`)
	cancel()
	if code := <-ended; code != failed {
		t.Errorf("exit code %d, want %d", code, failed)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}
