package holdfast

import (
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Who has the database open and does nothing makes way, in this process too, and goes
// on in the file that is the database then.
func TestSettleBesideOpenConnections(t *testing.T) {
	for _, mode := range []string{"delete", "wal"} {
		t.Run(mode, func(t *testing.T) {
			path, o, file := takenOver(t, "_pragma", "journal_mode("+mode+")")
			here, there := open(t, path, o), elsewhere(t, path, o)
			if mode == "wal" { // one process at a time, and it holds the database while it is open
				here = there
			}
			for range 2 {
				exec(t, here, `INSERT INTO t VALUES (10)`)
				exec(t, there, `INSERT INTO t VALUES (10)`)
			}
			var last, size int64
			if err := Settle(t.Context(), dsn(path, o), false, func(copied, total int64) { last, size = copied, total }); err != nil {
				t.Fatal(err)
			}
			if size == 0 || last != size {
				t.Errorf("%d of %d bytes copied", last, size)
			}
			for exists(filepath.Join(filepath.Dir(path), file)) { // it is removed in the background
				time.Sleep(time.Millisecond)
			}
			exec(t, here, `INSERT INTO t VALUES (100)`)
			exec(t, there, `INSERT INTO t VALUES (100)`)
			if n := query[int](t, here, `SELECT sum(x) FROM t`); n != 241 {
				t.Errorf("the sum is %d, want 241", n)
			}
			status, err := Status(t.Context(), dsn(path, o))
			if err != nil || status.File != "" || len(status.Old) > 0 || len(status.Notes) > 0 {
				t.Errorf("%+v, %v", status, err)
			}
			if err := Settle(t.Context(), dsn(path, o), false, func(int64, int64) { t.Error("it is copied again") }); err != nil {
				t.Errorf("again: %v", err)
			}
		})
	}
}

// Whoever is in the middle of a transaction is named, and loses nothing.
func TestSettleInTheMiddleOfATransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path, o, _ := takenOver(t)
		db := elsewhere(t, path, o)
		tx := begin(t, db, `INSERT INTO t VALUES (10)`)
		err := Settle(t.Context(), dsn(path, o), true, nil)
		var held *HeldError
		if !errors.As(err, &held) || !strings.Contains(err.Error(), "it is in use: ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("settle: %v, want who holds it", err)
		}
		if err := tx.Commit(); err != nil {
			t.Error(err)
		}
		if n := query[int](t, db, `SELECT sum(x) FROM t`); n != 11 {
			t.Errorf("the sum is %d, want 11", n)
		}
	})
}

func TestSettleThatIsRefused(t *testing.T) {
	path, o, file := takenOver(t)
	for name, want := range map[string]string{
		":memory:":                              "has no other name",
		"file:" + path:                          "it is used with lock=",
		dsn(path, o) + "&fence=off":             "its lock is of grade lease, so the database never leaves its plain name",
		dsn(path+"x", o):                        "there is no such database",
		filepath.Join(filepath.Dir(path), file): "it is a file of the database",
		dsn(path, o) + "&tll=5s":                "did you mean ttl?",
	} {
		if err := Settle(t.Context(), name, false, nil); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("settle %s: %v, want one line with %q", name, err, want)
		}
	}
	copied := "file:" + filepath.Join(filepath.Dir(path), file) + "?lock=cell"
	if _, err := Status(t.Context(), copied); err == nil || !strings.Contains(err.Error(), `it is a file of the database "app.db"`) {
		t.Errorf("status of a copy: %v", err)
	}
	if _, err := Inspect(t.Context(), copied); err == nil || !strings.Contains(err.Error(), `it is a file of the database "app.db"`) {
		t.Errorf("inspection of a copy: %v", err)
	}
}

// A copy may take longer than anybody would be waited for.
func TestSettleThatTakesLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path, o, _ := takenOver(t)
		once := sync.OnceFunc(func() { time.Sleep(time.Hour) })
		if err := Settle(t.Context(), dsn(path, o), false, func(int64, int64) { once() }); err != nil {
			t.Error(err)
		}
		if n := query[int](t, open(t, path, o), `SELECT sum(x) FROM t`); n != 1 || !exists(path) {
			t.Errorf("the sum is %d, want 1", n)
		}
	})
}
