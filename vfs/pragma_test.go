package vfs

import (
	"cmp"
	"errors"
	"path/filepath"
	"testing"

	"github.com/holdfastdb/holdfast/locking"
	"github.com/ncruces/go-sqlite3"
)

// SQLite takes any beginning of a journal mode for that mode. So does what is refused.
func TestBeginningsOfJournalModes(t *testing.T) {
	plain := register(t, nil, perFile(locking.GradeKernel))
	fenced := register(t, nil, perFile(locking.GradeFenced))
	for text, mode := range map[string]string{
		"OFF": "off", "of": "off", "o": "off", "O": "off", "memory": "memory", "mem": "memory", "m": "memory",
		"wal": "wal", "W": "wal", "": "delete", "d": "delete", "p": "persist", "t": "truncate",
		"offf": "", "owal": "", "walk": "",
	} {
		t.Run(text, func(t *testing.T) {
			if got := journalModeOf(text); got != mode {
				t.Errorf("read as %q, want %q", got, mode)
			}
			dir := scratch(t)
			conn := connect(t, plain, filepath.Join(dir, "plain.db"), "")
			run(t, conn, "PRAGMA journal_mode=truncate")
			want(t, conn, "PRAGMA journal_mode='"+text+"'", cmp.Or(mode, "truncate"))

			conn = connect(t, fenced, filepath.Join(dir, "fenced.db"), "")
			run(t, conn, "CREATE TABLE t(x)")
			err := conn.Exec("PRAGMA journal_mode='" + text + "'")
			if refused := errors.Is(err, sqlite3.ERROR); refused != (mode == "off" || mode == "memory") {
				t.Errorf("over a fence: %v", err)
			}
			run(t, conn, "INSERT INTO t VALUES (1)")
		})
	}
}
