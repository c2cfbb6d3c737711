//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/holdfastdb/holdfast"
)

// limit is how long a test waits for what should happen at once.
const limit = 30 * time.Second

// program is a process of its own that runs a command.
func program(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, args...)
	// Else the line editor asks the terminal with every key where its cursor is, and loses keys
	// that arrive together with the answer.
	inputrc := filepath.Join(t.TempDir(), "inputrc")
	if err := os.WriteFile(inputrc, []byte("set cursor-position-probe off\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd.Env = append(os.Environ(), asProgram+"=1", "TERM=xterm-256color", "INPUTRC="+inputrc, "XDG_STATE_HOME="+t.TempDir())
	t.Cleanup(func() {
		if cmd.Process != nil && cmd.ProcessState == nil {
			cmd.Process.Kill()
			cmd.Wait()
		}
	})
	return cmd
}

// exitCode waits for the end of a process.
func exitCode(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	timer := time.AfterFunc(limit, func() { cmd.Process.Signal(syscall.SIGABRT) })
	defer timer.Stop()
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode()
}

// A reader collects what a process writes.
type reader struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

func read(r io.Reader) *reader {
	all := &reader{more: make(chan struct{}, 1)}
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := r.Read(buf)
			all.mu.Lock()
			all.text.Write(buf[:n])
			all.mu.Unlock()
			select {
			case all.more <- struct{}{}:
			default:
			}
			if err != nil {
				return
			}
		}
	}()
	return all
}

func (r *reader) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// await waits until what was written, without escape sequences, has a match for
// the pattern, and forgets all up to its end.
func (r *reader) await(t *testing.T, pattern string) {
	t.Helper()
	re := regexp.MustCompile(pattern)
	timeout := time.After(limit)
	for {
		r.mu.Lock()
		text := escapes.ReplaceAllString(r.text.String(), "")
		if at := re.FindStringIndex(text); at != nil {
			r.text.Reset()
			r.text.WriteString(text[at[1]:])
			r.mu.Unlock()
			return
		}
		r.mu.Unlock()
		select {
		case <-r.more:
		case <-timeout:
			t.Fatalf("no %q in %q", pattern, text)
		}
	}
}

var escapes = regexp.MustCompile(`\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[=>]`)

// TestClosedPipe: whoever reads the results leaves. The program ends quietly, by
// itself, and has given its lease up.
func TestClosedPipe(t *testing.T) {
	db := filepath.Join(t.TempDir(), "app.db")
	cmd := program(t, "shell", "--lock", "leasefile", db)
	cmd.Stdin = strings.NewReader("CREATE TABLE t(a); INSERT INTO t VALUES(1);\nWITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT i FROM n;\nINSERT INTO t VALUES(2);\n")
	var told bytes.Buffer
	cmd.Stderr = &told
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "1\n" {
		t.Fatalf("first line %q (%v)", line, err)
	}
	out.Close()
	if code := exitCode(t, cmd); code != failed || told.Len() > 0 {
		t.Errorf("exit code %d and %q, want %d and nothing", code, told.String(), failed)
	}
	status := runCommand(t, "", "status", db)
	if !strings.Contains(status.out, "holders  none") {
		t.Errorf("it is still held:\n%s", status.out)
	}
	if got := runCommand(t, "", "shell", db, "SELECT * FROM t"); got.out != "1\n" {
		t.Errorf("rows %+v, want 1 alone", got)
	}
}

// TestFrozenShell: a shell that slept past its lease is told, and goes on.
func TestFrozenShell(t *testing.T) {
	db := filepath.Join(t.TempDir(), "app.db")
	dsn := "file:" + db + "?lock=leasefile"
	cmd := program(t, "shell", dsn+"&ttl=3s") // others wait for as long as its holder says
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, _ := cmd.StdoutPipe()
	stderr, _ := cmd.StderrPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out, told := read(stdout), read(stderr)
	io.WriteString(in, "PRAGMA cache_size=100; CREATE TABLE t(a);\nBEGIN IMMEDIATE; INSERT INTO t VALUES('lost'); SELECT 'inside';\n")
	out.await(t, "inside\n")
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	pool, err := holdfast.Open(dsn, holdfast.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if _, err := pool.ExecContext(t.Context(), `INSERT INTO t VALUES('other')`); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	io.WriteString(in, "COMMIT;\nINSERT INTO t VALUES('after'); SELECT group_concat(a) FROM t;\n")
	told.await(t, `holdfast: line 3: .*lease is lost.*connection opened anew.*\n`)
	out.await(t, "other,after\n")
	in.Close()
	if code := exitCode(t, cmd); code != failed {
		t.Errorf("exit code %d, want %d", code, failed)
	}
}

// TestShellVerifiesReads: with verify=read, a reader that lost the database meanwhile
// is told, though every statement went well.
func TestShellVerifiesReads(t *testing.T) {
	db := filepath.Join(t.TempDir(), "app.db")
	dsn := "file:" + db + "?lock=leasefile&verify=read"
	cmd := program(t, "shell", dsn+"&ttl=3s") // others wait for as long as its holder says
	in, _ := cmd.StdinPipe()
	stdout, _ := cmd.StdoutPipe()
	stderr, _ := cmd.StderrPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out, told := read(stdout), read(stderr)
	io.WriteString(in, "CREATE TABLE t(a); INSERT INTO t VALUES(1);\nBEGIN; SELECT a, 'read' FROM t;\n")
	out.await(t, "1\\|read\n")
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	pool, err := holdfast.Open(dsn, holdfast.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if _, err := pool.ExecContext(t.Context(), `INSERT INTO t VALUES(2)`); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	io.WriteString(in, "COMMIT;\nSELECT sum(a) FROM t;\n")
	told.await(t, `holdfast: line 3: .*lease is lost.*\n`)
	out.await(t, "3\n")
	in.Close()
	if code := exitCode(t, cmd); code != failed {
		t.Errorf("exit code %d, want %d", code, failed)
	}
}

// TestIdleShellYields: a database in WAL mode, which a connection holds for as long
// as it is open, is free for others while the shell waits for input.
func TestIdleShellYields(t *testing.T) {
	db := filepath.Join(t.TempDir(), "app.db")
	dsn := "file:" + db + "?lock=leasefile"
	cmd := program(t, "shell", dsn)
	in, _ := cmd.StdinPipe()
	stdout, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out := read(stdout)
	io.WriteString(in, ".timeout 7000\nPRAGMA journal_mode=WAL; CREATE TABLE t(a); INSERT INTO t VALUES(1); SELECT 'idle';\n")
	out.await(t, "wal\nidle\n")
	pool, err := holdfast.Open(dsn, holdfast.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	if _, err := pool.ExecContext(ctx, `INSERT INTO t VALUES(2)`); err != nil {
		t.Error(err)
	}
	if err := pool.Close(); err != nil {
		t.Error(err)
	}
	io.WriteString(in, "SELECT count(*) FROM t; PRAGMA busy_timeout;\n")
	out.await(t, "2\n7000\n")
	in.Close()
	if code := exitCode(t, cmd); code != done {
		t.Errorf("exit code %d, want %d", code, done)
	}
}

// TestTerminated: told to end while a statement runs, it undoes that and gives the
// lease up.
func TestTerminated(t *testing.T) {
	db := filepath.Join(t.TempDir(), "app.db")
	cmd := program(t, "shell", "--lock", "leasefile", db)
	cmd.Stdin = strings.NewReader("CREATE TABLE t(a); BEGIN; INSERT INTO t VALUES(1);\nWITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT i FROM n;\n")
	stdout, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out := read(stdout)
	out.await(t, "\n1000\n")
	cmd.Process.Signal(syscall.SIGTERM)
	if code := exitCode(t, cmd); code != failed {
		t.Errorf("exit code %d, want %d", code, failed)
	}
	if status := runCommand(t, "", "status", db); !strings.Contains(status.out, "holders  none") {
		t.Errorf("it is still held:\n%s", status.out)
	}
}

// TestWatch follows a database from being free to being held and free again.
func TestWatch(t *testing.T) {
	db := filepath.Join(t.TempDir(), "app.db")
	dsn := "file:" + db + "?lock=leasefile&idle=500ms"
	runCommand(t, "", "shell", dsn, "CREATE TABLE t(a)")
	cmd := program(t, "status", "--watch", db)
	stdout, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out := read(stdout)
	out.await(t, `^\d\d:\d\d:\d\d epoch 1, nobody holds it\n`)
	pool, err := holdfast.Open(dsn, holdfast.Options{})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pool.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(t.Context(), `BEGIN IMMEDIATE`); err != nil {
		t.Fatal(err)
	}
	out.await(t, `epoch \d, (EXCLUSIVE|RESERVED) held by .*\n`)
	if err := errors.Join(conn.Close(), pool.Close()); err != nil {
		t.Fatal(err)
	}
	out.await(t, `nobody holds it\n`)
	cmd.Process.Signal(os.Interrupt)
	if code := exitCode(t, cmd); code != done {
		t.Errorf("exit code %d after Ctrl-C, want %d", code, done)
	}
}

// TestWatchRedraws: on a terminal it is one picture.
func TestWatchRedraws(t *testing.T) {
	db := filepath.Join(t.TempDir(), "app.db")
	runCommand(t, "", "shell", "--lock", "leasefile", db, "CREATE TABLE t(a)")
	cmd := program(t, "status", "--watch", db)
	screen, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 20, Cols: 60})
	if err != nil {
		t.Fatal(err)
	}
	defer screen.Close()
	out := read(screen)
	for !strings.Contains(out.String(), "\x1b[5A\x1b[J") { // back over its five lines
		select {
		case <-out.more:
		case <-time.After(limit):
			t.Fatalf("not redrawn: %q", out.String())
		}
	}
	io.WriteString(screen, "\x03")
	if code := exitCode(t, cmd); code != done {
		t.Errorf("exit code %d after Ctrl-C, want %d", code, done)
	}
}
