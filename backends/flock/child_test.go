package flock

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"testing"

	"github.com/holdfastdb/holdfast/locking"
	"github.com/ncruces/go-sqlite3"
)

// The environment that makes the test binary one of the roles, for a database.
const (
	roleEnv     = "FLOCK_TEST_ROLE"
	databaseEnv = "FLOCK_TEST_DATABASE"
)

// roles are called until their input ends, each time with one line of it. What
// they return is the answer.
var roles = map[string]func(database string) func(line string) error{
	"stock": stock,
	"ours":  ours,
}

func TestMain(m *testing.M) {
	role, ok := os.LookupEnv(roleEnv)
	if !ok {
		os.Exit(m.Run())
	}
	answer := roles[role](os.Getenv(databaseEnv))
	fmt.Println(`""`)
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		text := ""
		if err := answer(in.Text()); err != nil {
			text = err.Error()
		}
		if err := json.NewEncoder(os.Stdout).Encode(text); err != nil {
			log.Fatal(err)
		}
	}
}

// stock runs SQL on go-sqlite3's own VFS.
func stock(database string) func(string) error {
	db, err := sqlite3.Open("file:" + database)
	if err != nil {
		log.Fatal(err)
	}
	return func(sql string) error { return db.Exec(sql) }
}

// ours moves a lock of this package to the level that it reads, by one try.
func ours(database string) func(string) error {
	l, err := New(database)
	if err != nil {
		log.Fatal(err)
	}
	k, err := l.NewLock()
	if err != nil {
		log.Fatal(err)
	}
	return func(name string) error { return move(k, name) }
}

// move goes to the level of a name, up or down.
func move(k locking.Lock, name string) error {
	var to locking.Level
	if err := to.UnmarshalText([]byte(name)); err != nil {
		return err
	}
	if to < k.Level() {
		return k.Unlock(to)
	}
	return k.Lock(context.Background(), to, nil)
}

// A child is another process of this test binary.
type child struct {
	t   testing.TB
	cmd *exec.Cmd
	in  io.WriteCloser
	out *json.Decoder
}

// startChild starts a role, if need be behind another command such as unshare.
func startChild(t testing.TB, role, database string, behind ...string) *child {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := append(behind, exe)
	c := &child{t: t, cmd: exec.Command(args[0], args[1:]...)}
	c.cmd.Env = append(os.Environ(), roleEnv+"="+role, databaseEnv+"="+database)
	c.cmd.Stderr = os.Stderr
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.end)
	c.out = json.NewDecoder(out)
	if err := c.answer(); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *child) pid() int { return c.cmd.Process.Pid }

// do sends one line and returns the answer.
func (c *child) do(line string) error {
	if _, err := fmt.Fprintln(c.in, line); err != nil {
		return err
	}
	return c.answer()
}

func (c *child) answer() error {
	var text string
	if err := c.out.Decode(&text); err != nil {
		return err
	}
	if text != "" {
		return errors.New(text)
	}
	return nil
}

func (c *child) end() {
	c.in.Close()
	c.cmd.Wait()
}

// kill returns when the process is gone.
func (c *child) kill() {
	c.t.Helper()
	if err := c.cmd.Process.Kill(); err != nil {
		c.t.Fatal(err)
	}
	c.cmd.Wait()
}
