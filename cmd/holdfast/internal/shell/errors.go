package shell

import (
	"errors"
	"strings"

	"github.com/ncruces/go-sqlite3"

	"github.com/holdfastdb/holdfast/locking"
)

// Explain is an error in one line for people: what SQLite says without its
// general part where a particular one follows, and a remedy where there is one.
func Explain(err error) string {
	text := strings.ReplaceAll(err.Error(), "\n", "; ")
	for _, general := range []string{"holdfast: ", "sqlite3: ", "disk I/O error: vfs: ", "SQL logic error: ", "constraint failed: ", "unable to open database file: ", "vfs: "} {
		text = strings.TrimPrefix(text, general)
	}
	switch {
	case errors.Is(err, locking.ErrLost):
		return text + "; look what became of the transaction, by the connection opened anew"
	case errors.Is(err, sqlite3.BUSY):
		return text + "; try again, wait longer with .timeout, or see .lock"
	case errors.Is(err, sqlite3.READONLY):
		return text + "; check --readonly and the permissions of the file and its directory"
	case errors.Is(err, sqlite3.INTERRUPT):
		return "interrupted"
	}
	return text
}
