package holdfast

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"testing"

	"github.com/ncruces/go-sqlite3"
	sqlite3driver "github.com/ncruces/go-sqlite3/driver"
)

func TestIsolationLevels(t *testing.T) { alike(t, testIsolationLevels) }

func testIsolationLevels(t *testing.T, local opener) {
	tests := []struct {
		name    string
		opts    sql.TxOptions
		txlock  string
		state   sqlite3.TxnState // after BEGIN
		other   error            // of a second transaction of the same kind
		refused bool
	}{
		{name: "default", state: sqlite3.TXN_NONE},
		{name: "default, immediate", txlock: "immediate", state: sqlite3.TXN_WRITE, other: sqlite3.BUSY},
		{name: "default, exclusive", txlock: "exclusive", state: sqlite3.TXN_WRITE, other: sqlite3.BUSY},
		{name: "serializable", opts: sql.TxOptions{Isolation: sql.LevelSerializable}, state: sqlite3.TXN_WRITE, other: sqlite3.BUSY},
		{name: "linearizable", opts: sql.TxOptions{Isolation: sql.LevelLinearizable}, state: sqlite3.TXN_WRITE, other: sqlite3.BUSY},
		{name: "read-only, immediate", opts: sql.TxOptions{ReadOnly: true}, txlock: "immediate", state: sqlite3.TXN_NONE},
		{name: "read committed", opts: sql.TxOptions{Isolation: sql.LevelReadCommitted}, refused: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			params := []string{"_pragma", "busy_timeout(0)"}
			if tt.txlock != "" {
				params = append(params, "_txlock", tt.txlock)
			}
			db := local(t, params...)
			exec(t, db, `CREATE TABLE t (x)`)
			c, err := db.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			tx, err := c.BeginTx(t.Context(), &tt.opts)
			if tt.refused {
				if err == nil {
					t.Error("BEGIN succeeded")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			c.Raw(func(raw any) error {
				if got := raw.(sqlite3driver.Conn).Raw().TxnState("main"); got != tt.state {
					t.Errorf("state after BEGIN is %v, want %v", got, tt.state)
				}
				return nil
			})
			second, err := db.BeginTx(t.Context(), &tt.opts)
			if !errors.Is(err, tt.other) {
				t.Errorf("second transaction: %v, want %v", err, tt.other)
			}
			if err == nil {
				second.Rollback()
			}
			if err := tx.Commit(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestReadOnlyTransactionsLeaveTheConnectionAsItWas(t *testing.T) {
	always := []string{"_pragma", "query_only(1)"}
	tests := []struct {
		name   string
		params []string
		init   string
		writes bool // afterwards
	}{
		{"writable", nil, "", true},
		{"query_only by a parameter", always, "", false},
		{"query_only by Init", nil, `PRAGMA query_only=1`, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "app.db")
			exec(t, open(t, path, Options{}), `CREATE TABLE t (x)`)
			_, o := lease(t, tt.params...)
			o.Lock = ""
			o.Params.Del("poll")
			o.Init = func(c *sqlite3.Conn) error { return c.Exec(tt.init) }
			db := open(t, path, o)
			db.SetMaxOpenConns(1)
			for _, end := range []func(*sql.Tx) error{(*sql.Tx).Commit, (*sql.Tx).Rollback} {
				tx, err := db.BeginTx(t.Context(), &sql.TxOptions{ReadOnly: true})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := tx.Exec(`INSERT INTO t VALUES (1)`); !errors.Is(err, sqlite3.READONLY) {
					t.Errorf("write in the transaction: %v", err)
				}
				if err := end(tx); err != nil {
					t.Error(err)
				}
				if _, err := db.Exec(`INSERT INTO t VALUES (1)`); (err == nil) != tt.writes {
					t.Errorf("write afterwards: %v", err)
				}
			}
		})
	}
}

func TestSavepoints(t *testing.T) { alike(t, testSavepoints) }

func testSavepoints(t *testing.T, local opener) {
	db := local(t)
	exec(t, db, `CREATE TABLE t (x)`)
	tx := begin(t, db, `INSERT INTO t VALUES (1)`)
	undone := sqlite3driver.Savepoint(tx)
	exec(t, tx, `INSERT INTO t VALUES (2)`)
	if err := undone.Rollback(); err != nil {
		t.Fatal(err)
	}
	kept := sqlite3driver.Savepoint(tx)
	exec(t, tx, `INSERT INTO t VALUES (4)`)
	var err error
	kept.Release(&err)
	if err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if got := query[int](t, db, `SELECT sum(x) FROM t`); got != 5 {
		t.Errorf("sum is %d, want 5", got)
	}
}

// Each query of a transaction has its own context.
func TestContextsOfOneTransaction(t *testing.T) {
	db := local(t)
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	const forever = `WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM n) SELECT i FROM n`
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	next := func(rows *sql.Rows, want int) {
		t.Helper()
		got := -1
		if rows.Next() {
			rows.Scan(&got)
		}
		if got != want {
			t.Errorf("row %d, want %d (%v)", got, want, rows.Err())
		}
	}
	outer, err := tx.Query(forever)
	if err != nil {
		t.Fatal(err)
	}
	defer outer.Close()
	next(outer, 0)
	inner, err := tx.QueryContext(ctx, forever)
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	next(inner, 0)
	cancel()
	next(inner, -1)
	if !errors.Is(inner.Err(), context.Canceled) {
		t.Errorf("inner query: %v", inner.Err())
	}
	next(outer, 1)
}
