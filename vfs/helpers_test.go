package vfs

import (
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/ncruces/go-sqlite3"
	sqlitevfs "github.com/ncruces/go-sqlite3/vfs"
	"github.com/spf13/afero"
)

var registered atomic.Int64

// scratch returns an empty directory, in memory where there is one: these tests
// sync a lot, and what a disk would do is for package vfstest to say.
func scratch(t testing.TB) string {
	t.Helper()
	if _, err := os.Stat("/dev/shm"); err != nil {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp("/dev/shm", "holdfast-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// register makes a VFS of a process and returns the name under which SQLite finds it.
func register(t testing.TB, files afero.Fs, open Opener) string {
	t.Helper()
	name := fmt.Sprintf("test-%d", registered.Add(1))
	sqlitevfs.Register(name, New(files, open))
	t.Cleanup(func() { sqlitevfs.Unregister(name) })
	return name
}

// connect opens a database through a registered VFS. The query of the URI may
// hold more parameters, such as "&mode=ro".
func connect(t testing.TB, vfsName, path, query string) *sqlite3.Conn {
	t.Helper()
	conn, err := tryConnect(vfsName, path, query)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func tryConnect(vfsName, path, query string) (*sqlite3.Conn, error) {
	return sqlite3.Open("file:" + filepath.ToSlash(path) + "?vfs=" + vfsName + query)
}

// run executes SQL and fails the test if that fails.
func run(t testing.TB, conn *sqlite3.Conn, sql string) {
	t.Helper()
	if err := conn.Exec(sql); err != nil {
		t.Fatalf("%s: %v", sql, Explain(conn, err))
	}
}

// value returns the first column of the first row, as text.
func value(t testing.TB, conn *sqlite3.Conn, sql string) string {
	t.Helper()
	v, err := tryValue(conn, sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, Explain(conn, err))
	}
	return v
}

func tryValue(conn *sqlite3.Conn, sql string) (string, error) {
	stmt, _, err := conn.Prepare(sql)
	if err != nil {
		return "", err
	}
	defer stmt.Close()
	if !stmt.Step() {
		return "", stmt.Err()
	}
	return stmt.ColumnText(0), nil
}

// want fails the test unless the value is as expected.
func want(t testing.TB, conn *sqlite3.Conn, sql, expect string) {
	t.Helper()
	if got := value(t, conn, sql); got != expect {
		t.Errorf("%s = %q, want %q", sql, got, expect)
	}
}
