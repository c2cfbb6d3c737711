package vfs

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"github.com/ncruces/go-sqlite3"
)

// Pragma looks at settings that have to do with the locks. SQLite calls it while it
// prepares the statement.
//
// https://sqlite.org/c3ref/c_fcntl_begin_atomic_write.html#sqlitefcntlpragma
func (f *File) Pragma(name, value string) (string, error) {
	switch {
	case name == "journal_mode" && f.db.leased:
		return f.journalMode(journalModeOf(value))
	case name == "synchronous" && f.db.fenced && isOff(value):
		// SQLite makes a row of the text, and go-sqlite3 cannot name the column of none.
		return "normal", f.syncNormal()
	}
	return "", sqlite3.NOTFOUND // go on as if it had not been asked
}

func (f *File) journalMode(mode string) (string, error) {
	switch mode {
	case "wal":
		if err := f.sole.prepare(); err != nil {
			err = f.refuse(err, sqlite3.IOERR_LOCK)
			return err.Error(), err
		}
	case "memory", "off":
		if f.db.fenced {
			return errNoJournal.Error(), f.refuse(errNoJournal, sqlite3.ExtendedErrorCode(sqlite3.ERROR))
		}
		f.db.warnOnce.Do(func() {
			slog.Warn("vfs: without a journal on disk, a crash or a lost lease in mid-commit tears the database",
				"database", f.db.path, "journal_mode", mode)
		})
	}
	return "", sqlite3.NOTFOUND
}

// journalModeOf reads the value of PRAGMA journal_mode as SQLite does: the first of
// these modes that begins so is meant.
func journalModeOf(value string) string {
	for _, mode := range []string{"delete", "persist", "off", "truncate", "memory", "wal"} {
		if strings.HasPrefix(mode, strings.ToLower(value)) {
			return mode
		}
	}
	return "" // none: SQLite only tells which one it is
}

// syncNormal sets synchronous=NORMAL in place of OFF. Without syncs SQLite takes the
// end of a journal on trust, and whoever copies the database would find torn pages in
// it: to sync what it does not is not enough.
func (f *File) syncNormal() error {
	for n := 0; ; n++ {
		schema := f.conn.DBName(n)
		if schema == "" {
			return sqlite3.NOTFOUND
		}
		if FileOf(f.conn, schema) == f {
			return f.conn.Exec(fmt.Sprintf("PRAGMA %s.synchronous=NORMAL", sqlite3.QuoteIdentifier(schema)))
		}
	}
}

// isOff reads the value of PRAGMA synchronous as SQLite does.
func isOff(value string) bool {
	switch strings.ToLower(value) {
	case "off", "no", "false":
		return true
	case "":
		return false
	}
	digits := 0
	for digits < len(value) && '0' <= value[digits] && value[digits] <= '9' {
		digits++
	}
	n, err := strconv.Atoi(value[:digits])
	return err == nil && (n%256+1)&7 <= 1
}
