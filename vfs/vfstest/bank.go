package vfstest

import (
	"fmt"
	"math/rand/v2"

	"github.com/ncruces/go-sqlite3"
)

// A bank is a database of accounts with a log of what was transferred, and what its
// clerk remembers of it. Each transaction writes a log row, and the balances follow
// from the log alone: so half a transaction cannot hide.
type bank struct {
	opened bool           // the schema was acknowledged
	acked  []int64        // log rows whose commit was acknowledged, in order
	doubt  map[int64]bool // those whose commit failed
	next   int64
}

const (
	accounts = 20
	schema   = `
		CREATE TABLE account(id INTEGER PRIMARY KEY, balance INTEGER NOT NULL);
		CREATE TABLE log(n INTEGER PRIMARY KEY, debit INTEGER, credit INTEGER, amount INTEGER, note BLOB);
		CREATE INDEX by_debit ON log(debit, note);
		WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c WHERE n<20)
		INSERT INTO account SELECT n, 1000 FROM c;`
	// The accounts whose balance is not what the log says.
	wrong = `SELECT count(*) FROM account WHERE balance != 1000
		- (SELECT ifnull(sum(amount),0) FROM log WHERE debit=id)
		+ (SELECT ifnull(sum(amount),0) FROM log WHERE credit=id)`
)

// open creates the tables if they are not there.
func (b *bank) open(conn *sqlite3.Conn) error {
	var there bool
	if err := rows(conn, "SELECT count(*) FROM sqlite_schema WHERE name='account'", func(s *sqlite3.Stmt) {
		there = s.ColumnInt(0) > 0
	}); err != nil {
		return err
	}
	if !there {
		if err := conn.Exec("BEGIN IMMEDIATE;" + schema + "COMMIT"); err != nil {
			return err
		}
	}
	b.opened = true
	return nil
}

// work does one random transaction and remembers how it ended.
func (b *bank) work(conn *sqlite3.Conn, rng *rand.Rand) error {
	if rng.IntN(10) == 0 {
		return b.changeMind(conn, rng)
	}
	b.next++
	n := b.next
	if err := conn.Exec("BEGIN IMMEDIATE;" + b.transfer(n, rng)); err != nil {
		return err
	}
	if err := conn.Exec("COMMIT"); err != nil {
		b.doubt[n] = true
		return err
	}
	b.acked = append(b.acked, n)
	return nil
}

// changeMind writes a good deal and rolls it back.
func (b *bank) changeMind(conn *sqlite3.Conn, rng *rand.Rand) error {
	return conn.Exec("BEGIN IMMEDIATE;" + b.transfer(-1, rng) + "UPDATE account SET balance=0; ROLLBACK")
}

// transfer notes are of all sizes, so that pages overflow, spill and become free.
func (b *bank) transfer(n int64, rng *rand.Rand) string {
	debit, credit, amount := 1+rng.IntN(accounts), 1+rng.IntN(accounts), rng.IntN(100)
	size := 1 << rng.IntN(14)
	sql := fmt.Sprintf(`
		UPDATE account SET balance=balance-%d WHERE id=%d;
		UPDATE account SET balance=balance+%d WHERE id=%d;
		INSERT INTO log VALUES (%d, %d, %d, %d, zeroblob(%d));`,
		amount, debit, amount, credit, n, debit, credit, amount, size)
	if rng.IntN(4) == 0 {
		sql += fmt.Sprintf("UPDATE log SET note=zeroblob(%d) WHERE n%%3=%d;", rng.IntN(3000), rng.IntN(3))
	}
	return sql
}

// audit compares the database with what the clerk remembers. Up to missing of the
// last acknowledged commits may be absent. It forgets doubts, which are settled now.
func (b *bank) audit(conn *sqlite3.Conn, missing int) error {
	var report string
	if err := rows(conn, "PRAGMA integrity_check", func(s *sqlite3.Stmt) { report += s.ColumnText(0) }); err != nil {
		return fmt.Errorf("integrity check: %w", err)
	}
	if report != "ok" {
		return fmt.Errorf("integrity check: %s", report)
	}
	there := make(map[int64]bool)
	err := rows(conn, "SELECT n FROM log", func(s *sqlite3.Stmt) { there[s.ColumnInt64(0)] = true })
	if err != nil {
		if !b.opened || missing > 0 && len(b.acked) == 0 {
			b.opened = false
			return nil // not even the tables were acknowledged
		}
		return err
	}
	bad := 0
	if err := rows(conn, wrong, func(s *sqlite3.Stmt) { bad = s.ColumnInt(0) }); err != nil {
		return err
	}
	if bad > 0 {
		return fmt.Errorf("%d balances do not follow from the log: a transaction is there in part", bad)
	}
	return b.settle(there, missing)
}

// settle compares the log with what was acknowledged.
func (b *bank) settle(there map[int64]bool, missing int) error {
	var acked []int64
	for i, n := range b.acked {
		if there[n] {
			acked = append(acked, n)
		} else if i < len(b.acked)-missing {
			return fmt.Errorf("commit %d is missing, the %d. of %d that were acknowledged", n, i+1, len(b.acked))
		}
		delete(there, n)
	}
	for n := range there {
		if !b.doubt[n] {
			return fmt.Errorf("commit %d is there, which nobody asked for", n)
		}
		acked = append(acked, n)
	}
	b.acked, b.doubt = acked, make(map[int64]bool)
	return nil
}

// rows calls each for every row of a query.
func rows(conn *sqlite3.Conn, sql string, each func(*sqlite3.Stmt)) error {
	stmt, _, err := conn.Prepare(sql)
	if err != nil {
		return err
	}
	defer stmt.Close() // its error is that of the last step
	for stmt.Step() {
		each(stmt)
	}
	return stmt.Err()
}
