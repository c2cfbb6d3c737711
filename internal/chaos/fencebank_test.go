//go:build linux

package chaos

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/ncruces/go-sqlite3"
)

// The database of the bank. A transaction moves money between accounts, books that
// in a ledger whose rows form a chain, and writes its number on every page of one
// book. So no part of it, and no order, is right but one.
const (
	bankAccounts = 10
	bankBalance  = 1000
	bankBooks    = 4
	bankPages    = 12 // of each book; about a page of the file each
)

var bankSchema = []string{
	`CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL)`,
	`CREATE TABLE ledger (seq INTEGER PRIMARY KEY, who TEXT, n INTEGER, before TEXT, debit INTEGER, credit INTEGER, amount INTEGER, book INTEGER)`,
	`CREATE INDEX ledger_who ON ledger (who, n)`,
	`CREATE TABLE page (id INTEGER PRIMARY KEY, book INTEGER, seq INTEGER, b BLOB)`,
	fmt.Sprintf(`WITH RECURSIVE i(n) AS (SELECT 0 UNION ALL SELECT n+1 FROM i WHERE n < %d) INSERT INTO account SELECT n, %d FROM i`, bankAccounts-1, bankBalance),
	fmt.Sprintf(`WITH RECURSIVE i(n) AS (SELECT 0 UNION ALL SELECT n+1 FROM i WHERE n < %d) INSERT INTO page SELECT n, n %% %d, 0, randomblob(3000) FROM i`, bankBooks*bankPages-1, bankBooks),
}

func (w *fenced) prepare() error {
	for _, sql := range bankSchema {
		if _, err := w.db.Exec(sql); err != nil {
			return err
		}
	}
	return nil
}

// noBook is that of a transaction which fits into its cache.
const noBook = -1

// transfer does what a transaction does before it ends.
func (w *fenced) transfer(ctx context.Context, c *sql.Conn, a attempt) error {
	var seq int
	var before string
	err := c.QueryRowContext(ctx, `SELECT seq, who || ' ' || n FROM ledger ORDER BY seq DESC LIMIT 1`).Scan(&seq, &before)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	seq++
	debit, credit, amount := w.rng.IntN(bankAccounts), w.rng.IntN(bankAccounts), w.rng.IntN(bankBalance)
	book, kind := w.rng.IntN(bankBooks), w.rng.IntN(10)
	if kind < 2 {
		book = noBook
	}
	var steps []string
	add := func(sql string, args ...any) { steps = append(steps, fmt.Sprintf(sql, args...)) }
	if kind == 2 {
		add(`SAVEPOINT wrong`)
		add(`UPDATE page SET seq = -1, b = randomblob(3000) WHERE book = %d`, (book+1)%bankBooks)
		add(`ROLLBACK TO wrong`)
	}
	add(`UPDATE account SET balance = balance - %d WHERE id = %d`, amount, debit)
	if book != noBook {
		add(`UPDATE page SET seq = %d, b = randomblob(3000) WHERE book = %d`, seq, book)
	}
	add(`INSERT INTO ledger VALUES (%d, '%s', %d, '%s', %d, %d, %d, %d)`, seq, a.Who, a.N, before, debit, credit, amount, book)
	add(`UPDATE account SET balance = balance + %d WHERE id = %d`, amount, credit)
	for _, sql := range steps {
		if _, err := c.ExecContext(ctx, sql); err != nil {
			return err
		}
	}
	if kind == 3 {
		return errOnPurpose
	}
	return nil
}

// An audit is what a process finds in the database.
type audit struct {
	Rows     []string // names of the transactions in the ledger, in their order
	Problems []string
}

// audit looks at everything in one transaction.
func (w *fenced) audit() (*audit, error) {
	ctx := context.Background()
	tx, err := w.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer tx.Rollback()
	a := &audit{}
	var failed error
	query := func(sql string) [][]string {
		all, err := rows(tx.QueryContext(ctx, sql))
		if errors.Is(err, sqlite3.CORRUPT) || errors.Is(err, sqlite3.NOTADB) {
			a.wrong("%s: %v", sql, err)
		} else if err != nil {
			failed = err
		}
		return all
	}
	for _, row := range query(`PRAGMA integrity_check`) {
		if row[0] != "ok" {
			a.wrong("integrity_check: %s", row[0])
		}
	}
	balances, books := make(map[int]int), make(map[int]int)
	for id := range bankAccounts {
		balances[id] = bankBalance
	}
	before := ""
	for i, row := range query(`SELECT who || ' ' || n, seq, before, debit, credit, amount, book FROM ledger NOT INDEXED ORDER BY seq`) {
		name, seq := row[0], int(number(row[1]))
		if seq != i+1 || row[2] != before {
			a.wrong("row %d of the ledger, %s, has number %d and comes after %q, want it after %q", i+1, name, seq, row[2], before)
		}
		amount := int(number(row[5]))
		balances[int(number(row[3]))] -= amount
		balances[int(number(row[4]))] += amount
		books[int(number(row[6]))] = seq
		before = name
		a.Rows = append(a.Rows, name)
	}
	for _, row := range query(`SELECT id, balance FROM account`) {
		if id, balance := int(number(row[0])), int(number(row[1])); balances[id] != balance {
			a.wrong("account %d has %d, and by the ledger %d", id, balance, balances[id])
		}
	}
	pages := query(`SELECT book, seq, count(*), sum(length(b)) FROM page GROUP BY book, seq ORDER BY book, seq`)
	for _, row := range pages {
		if book, seq := int(number(row[0])), int(number(row[1])); books[book] != seq || number(row[2]) != bankPages || number(row[3]) != 3000*bankPages {
			a.wrong("%s pages of %s bytes of book %d are from transaction %d, and by the ledger all %d from %d", row[2], row[3], book, seq, bankPages, books[book])
		}
	}
	if len(pages) != bankBooks {
		a.wrong("there are pages of %d transactions, want %d", len(pages), bankBooks)
	}
	return a, failed
}

func (a *audit) wrong(format string, args ...any) {
	a.Problems = append(a.Problems, fmt.Sprintf(format, args...))
}

// compare returns what the ledger and what was acknowledged disagree about.
func compare(found []string, attempts map[string]attempt) (wrong []string) {
	place := make(map[string]int)
	for i, name := range found {
		if _, twice := place[name]; twice {
			wrong = append(wrong, name+" is there twice")
		}
		place[name] = i
		if a, known := attempts[name]; !known {
			wrong = append(wrong, name+" is there, and nobody tried that")
		} else if a.Outcome == outcomeFailed {
			wrong = append(wrong, name+" is there, and failed before its commit: "+a.Err)
		}
	}
	for name, a := range attempts {
		if _, there := place[name]; !there && a.Outcome == outcomeOK {
			wrong = append(wrong, name+" was acknowledged, and is lost")
		}
	}
	// Whatever ended before another one began has to stand before it.
	ended, by := int64(math.MaxInt64), ""
	for _, name := range slices.Backward(found) {
		a := attempts[name]
		if a.Began > ended {
			wrong = append(wrong, fmt.Sprintf("%s stands before %s, which had ended when it began", name, by))
		}
		if a.Ended != 0 && a.Ended < ended {
			ended, by = a.Ended, name
		}
	}
	slices.Sort(wrong)
	return wrong
}
