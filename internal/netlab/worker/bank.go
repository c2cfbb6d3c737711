package main

import (
	"context"
	"fmt"

	"github.com/holdfastdb/holdfast/internal/netlab/workload"
)

// The database. A transaction moves money between two accounts, books that in the
// ledger, and writes its number on every page of one book. So no part of it is right
// but one, and each part can be worked out from the ledger.
//
// The books come last in the file, with the filler between them and the rest: what is
// copied meanwhile is copied with a part of either side.
var schema = []string{
	`CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL)`,
	`CREATE TABLE ledger (seq INTEGER PRIMARY KEY, writer TEXT NOT NULL, n INTEGER NOT NULL, debit INTEGER, credit INTEGER, amount INTEGER, book INTEGER)`,
	`CREATE INDEX ledger_writer ON ledger (writer, n)`,
	`CREATE TABLE bench (id INTEGER PRIMARY KEY, v INTEGER)`,
	`CREATE TABLE filler (b BLOB)`,
	`CREATE TABLE page (id INTEGER PRIMARY KEY, book INTEGER, seq INTEGER, b BLOB)`,
	`INSERT INTO bench VALUES (1, 0)`,
	count(workload.Accounts, fmt.Sprintf(`INSERT INTO account SELECT n, %d FROM i`, workload.Balance)),
}

// count puts a table i before a statement, whose n are the numbers below one.
func count(below int, statement string) string {
	return fmt.Sprintf(`WITH RECURSIVE i(n) AS (SELECT 0 UNION ALL SELECT n+1 FROM i WHERE n < %d) %s`, below-1, statement)
}

// setUp creates the bank, and makes the database about so many MB large.
func (p *pool) setUp(ctx context.Context, mb int) error {
	books := count(workload.Books*workload.BookPages, fmt.Sprintf(`INSERT INTO page SELECT n, n %% %d, 0, randomblob(3000) FROM i`, workload.Books))
	if err := p.transact(ctx, schema...); err != nil {
		return err
	}
	if err := p.fill(ctx, mb); err != nil {
		return err
	}
	return p.transact(ctx, books)
}

// fill makes the database so many MB larger, in transactions that no lease is too
// short for.
func (p *pool) fill(ctx context.Context, mb int) error {
	const each = 4 // MB in a transaction
	for mb > 0 {
		n := min(mb, each)
		if err := p.transact(ctx, count(n, `INSERT INTO filler SELECT zeroblob(1000000) FROM i`)); err != nil {
			return err
		}
		mb -= n
	}
	return nil
}

// append does the transaction of the bank.
func (p *pool) append(ctx context.Context, a workload.Append) error {
	cache := fmt.Sprintf(`PRAGMA cache_size = %d`, -2000) // SQLite's own default
	if a.Cache > 0 {
		cache = fmt.Sprintf(`PRAGMA cache_size = %d`, a.Cache)
	}
	steps := []string{
		cache,
		fmt.Sprintf(`INSERT INTO ledger (writer, n, debit, credit, amount, book) VALUES ('%s', %d, %d, %d, %d, %d)`, a.Writer, a.N, a.From, a.To, a.Amount, a.Book),
		fmt.Sprintf(`UPDATE account SET balance = balance - %d WHERE id = %d`, a.Amount, a.From),
		fmt.Sprintf(`UPDATE account SET balance = balance + %d WHERE id = %d`, a.Amount, a.To),
	}
	if a.Book >= 0 {
		steps = append(steps, fmt.Sprintf(`UPDATE page SET seq = (SELECT max(seq) FROM ledger), b = randomblob(3000) WHERE book = %d`, a.Book))
	}
	return p.transact(ctx, steps...)
}

// transact does statements in one transaction. Its error is [inDoubt] if that may have
// been committed all the same; after any other one it surely was not.
func (p *pool) transact(ctx context.Context, steps ...string) error {
	s, err := p.conn(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.begin(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	if err := s.exec(ctx, steps...); err != nil {
		s.rollback()
		return err
	}
	err = s.exec(ctx, "COMMIT")
	if err == nil {
		return nil
	}
	s.rollback()
	if isBusy(err) {
		return err // the transaction was still open, and cannot have been committed in part
	}
	return inDoubt{err}
}

// begin begins a transaction. After an error there is none.
func (s *session) begin(ctx context.Context, statement string) error {
	err := s.exec(ctx, statement)
	if err != nil && !isBusy(err) {
		s.rollback() // it may have begun, and been interrupted only then
	}
	return err
}

// look does what only reads, in one transaction.
func (p *pool) look(ctx context.Context, what func(*session) error) error {
	s, err := p.conn(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.begin(ctx, "BEGIN"); err != nil {
		return err
	}
	err = what(s)
	if err == nil {
		err = s.exec(ctx, "COMMIT")
	}
	if err != nil {
		s.rollback()
	}
	return err
}

// read returns what the ledger's index and the accounts show.
func (p *pool) read(ctx context.Context, deep bool) (*workload.View, error) {
	v := &workload.View{Ledger: make(workload.Ledger)}
	err := p.look(ctx, func(s *session) error {
		numbers := make(map[string]*workload.Numbers)
		err := s.each(ctx, `SELECT writer, n FROM ledger ORDER BY writer, n`, func(scan scanner) error {
			var row workload.Row
			if err := scan(&row.Writer, &row.N); err != nil {
				return err
			}
			if numbers[row.Writer] == nil {
				numbers[row.Writer] = new(workload.Numbers)
			}
			numbers[row.Writer].Add(row.N)
			return nil
		})
		for writer, n := range numbers {
			v.Ledger[writer] = *n
		}
		if err == nil {
			err = s.QueryRowContext(ctx, `SELECT sum(balance) FROM account`).Scan(&v.Total)
		}
		if err == nil && deep {
			i := newInspection()
			if err = i.inspect(ctx, s); err == nil {
				v.Problems = append(i.problems, i.compare(v.Ledger)...)
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return v, nil
}

// A scanner reads the columns of one row.
type scanner func(...any) error

// each calls f for each row of a query.
func (s *session) each(ctx context.Context, query string, f func(scanner) error) error {
	rows, err := s.QueryContext(ctx, query)
	if err != nil {
		return fmt.Errorf("%s: %w", firstWords(query), err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows.Scan); err != nil {
			return fmt.Errorf("%s: %w", firstWords(query), err)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("%s: %w", firstWords(query), err)
	}
	return nil
}
