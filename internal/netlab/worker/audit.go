package main

import (
	"context"
	"fmt"

	"github.com/holdfastdb/holdfast/internal/netlab/workload"
)

// audit looks at everything in one transaction. That the database is damaged is what
// it finds, and no error.
func (p *pool) audit(ctx context.Context) (*workload.Audit, error) {
	i := newInspection()
	a := &workload.Audit{}
	err := p.look(ctx, func(s *session) error {
		err := s.each(ctx, `PRAGMA integrity_check`, func(scan scanner) error {
			var line string
			err := scan(&line)
			if err == nil && line != "ok" {
				i.wrong("integrity_check: %s", line)
			}
			return err
		})
		if err == nil {
			err = i.inspect(ctx, s)
		}
		if err == nil {
			err = s.QueryRowContext(ctx, `SELECT page_count * page_size FROM pragma_page_count, pragma_page_size`).Scan(&a.Bytes)
		}
		return err
	})
	if err != nil && kindOf(err) == workload.KindCorrupt {
		i.wrong("corrupt database: %v", err)
		err = nil
	}
	a.Runs, a.Total, a.Problems = i.runs, i.total, i.problems
	return a, err
}

// An inspection is of the rows themselves, without an index, and of what follows from
// them.
type inspection struct {
	runs     []workload.Run
	rows     int
	total    int64
	balances map[int]int // by the ledger
	books    map[int]int // seq of the last transaction that wrote each, by the ledger
	problems []string
}

func newInspection() *inspection {
	i := &inspection{balances: make(map[int]int), books: make(map[int]int)}
	for id := range workload.Accounts {
		i.balances[id] = workload.Balance
	}
	return i
}

// most is how many problems are told. A database that is torn may have any number.
const most = 20

func (i *inspection) wrong(format string, args ...any) {
	if len(i.problems) < most {
		i.problems = append(i.problems, fmt.Sprintf(format, args...))
	}
}

func (i *inspection) inspect(ctx context.Context, s *session) error {
	err := s.each(ctx, `SELECT seq, writer, n, debit, credit, amount, book FROM ledger NOT INDEXED ORDER BY seq`, i.row)
	if err == nil {
		err = s.each(ctx, `SELECT id, balance FROM account`, i.account)
	}
	pages := 0
	if err == nil {
		err = s.each(ctx, `SELECT id, book, seq, length(b) FROM page`, func(scan scanner) error {
			pages++
			return i.page(scan)
		})
	}
	if want := workload.Books * workload.BookPages; err == nil && pages != want {
		i.wrong("there are %d pages, want %d", pages, want)
	}
	return err
}

func (i *inspection) row(scan scanner) error {
	var seq, debit, credit, amount, book int
	var row workload.Row
	if err := scan(&seq, &row.Writer, &row.N, &debit, &credit, &amount, &book); err != nil {
		return err
	}
	if i.rows++; seq != i.rows {
		i.wrong("row %d of the ledger, %v, has number %d", i.rows, row, seq)
	}
	i.runs = workload.AddRun(i.runs, row)
	i.balances[debit] -= amount
	i.balances[credit] += amount
	i.books[book] = seq
	return nil
}

func (i *inspection) account(scan scanner) error {
	var id, balance int
	if err := scan(&id, &balance); err != nil {
		return err
	}
	i.total += int64(balance)
	if i.balances[id] != balance {
		i.wrong("account %d has %d, and by the ledger %d", id, balance, i.balances[id])
	}
	return nil
}

func (i *inspection) page(scan scanner) error {
	var id, book, seq, length int
	if err := scan(&id, &book, &seq, &length); err != nil {
		return err
	}
	if book != id%workload.Books || length != 3000 {
		i.wrong("page %d is of book %d and has %d bytes", id, book, length)
	}
	if i.books[book] != seq {
		i.wrong("page %d is from transaction %d, and by the ledger its book is from %d", id, seq, i.books[book])
	}
	return nil
}

// compare returns what the rows and their index disagree about.
func (i *inspection) compare(index workload.Ledger) (wrong []string) {
	if n := index.Len(); n != i.rows {
		wrong = append(wrong, fmt.Sprintf("the ledger has %d rows, and by its index %d", i.rows, n))
	}
	for _, row := range (&workload.Audit{Runs: i.runs}).Rows() {
		if !index.Has(row) && len(wrong) < most {
			wrong = append(wrong, fmt.Sprintf("%v is in the ledger and not in its index", row))
		}
	}
	return wrong
}
