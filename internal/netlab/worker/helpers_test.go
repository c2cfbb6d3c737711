package main

import (
	"path/filepath"
	"testing"

	"github.com/holdfastdb/holdfast/internal/netlab/workload"
)

// newAppend is an append of a row of a writer that moves something and writes a book.
func newAppend(writer string, n, book int) *workload.Append {
	return &workload.Append{Writer: writer, N: n, From: 1, To: 2, Amount: 7 * n, Book: book}
}

// newDatabase returns the path of a database that is not there yet.
func newDatabase(t testing.TB) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "app.db")
}
