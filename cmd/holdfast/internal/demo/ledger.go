package demo

import (
	"context"
	"database/sql"
	"fmt"
)

// The bank: some accounts, and a ledger with one row for each transfer.
const (
	accounts = 10
	opening  = 1000 // what each account begins with
)

var schema = []string{
	`CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL)`,
	`CREATE TABLE ledger (writer TEXT NOT NULL, n INTEGER NOT NULL, source INTEGER NOT NULL, target INTEGER NOT NULL, amount INTEGER NOT NULL)`,
	fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < %d) INSERT INTO account SELECT i, %d FROM n`, accounts, opening),
}

// create makes the database.
func create(ctx context.Context, db *sql.DB) error {
	for _, statement := range schema {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// transfer is what one transaction does: it moves money, and writes it down. The
// ledger has no key that would keep a row from being there twice.
func transfer(ctx context.Context, tx *sql.Tx, writer string, n int) error {
	source := n%accounts + 1
	target := (n*7+3)%accounts + 1
	amount := n%50 + 1
	for _, step := range []struct {
		statement string
		args      []any
	}{
		{`UPDATE account SET balance = balance - ? WHERE id = ?`, []any{amount, source}},
		{`UPDATE account SET balance = balance + ? WHERE id = ?`, []any{amount, target}},
		{`INSERT INTO ledger VALUES (?, ?, ?, ?, ?)`, []any{writer, n, source, target, amount}},
	} {
		if _, err := tx.ExecContext(ctx, step.statement, step.args...); err != nil {
			return err
		}
	}
	return nil
}
