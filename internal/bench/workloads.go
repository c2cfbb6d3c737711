package main

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
)

// statement makes a workload's prepare of what runs one prepared statement.
func statement(query string, run func(ctx context.Context, db *sql.DB, s *sql.Stmt, rows, n int) error) func(context.Context, *sql.DB, int) (func(int) error, func() error, error) {
	return func(ctx context.Context, db *sql.DB, rows int) (func(int) error, func() error, error) {
		s, err := db.PrepareContext(ctx, query)
		if err != nil {
			return nil, nil, err
		}
		return func(n int) error { return run(ctx, db, s, rows, n) }, s.Close, nil
	}
}

// inserts is one transaction of n rows.
func inserts(params string) workload {
	return workload{params: params, least: 5000, prepare: statement(insertRow, func(ctx context.Context, db *sql.DB, s *sql.Stmt, _, n int) error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		inTx := tx.StmtContext(ctx, s)
		for range n {
			if _, err := inTx.ExecContext(ctx); err != nil {
				return err
			}
		}
		return tx.Commit()
	})}
}

// commits is n transactions of one row.
func commits(params string) workload {
	return workload{params: params, prepare: statement(insertRow, func(ctx context.Context, _ *sql.DB, s *sql.Stmt, _, n int) error {
		for range n {
			if _, err := s.ExecContext(ctx); err != nil {
				return err
			}
		}
		return nil
	})}
}

// pointReads is n read transactions of one row each.
func pointReads(params string, rows int) workload {
	return workload{params: params, rows: rows, prepare: statement(`SELECT body FROM t WHERE id = ?`, readPoints)}
}

func readPoints(ctx context.Context, _ *sql.DB, s *sql.Stmt, rows, n int) error {
	order := rand.New(rand.NewPCG(1, 2)) // the same for all
	var body []byte
	for range n {
		if err := s.QueryRowContext(ctx, 1+order.IntN(rows)).Scan(&body); err != nil {
			return err
		}
	}
	return nil
}

// sums is n full scans that SQLite does by itself.
func sums(params string, rows int) workload {
	return workload{params: params, rows: rows, prepare: statement(`SELECT count(*), sum(length(body)) FROM t`, sumRows)}
}

func sumRows(ctx context.Context, _ *sql.DB, s *sql.Stmt, rows, n int) error {
	for range n {
		var count, bytes int
		if err := s.QueryRowContext(ctx).Scan(&count, &bytes); err != nil {
			return err
		}
		if count != rows || bytes != 100*rows {
			return fmt.Errorf("%d rows of %d bytes were scanned instead of %d", count, bytes, rows)
		}
	}
	return nil
}

// scans is n full scans of which the program gets every row.
func scans(params string, rows int) workload {
	return workload{params: params, rows: rows, prepare: statement(`SELECT id, body FROM t`, scanRows)}
}

func scanRows(ctx context.Context, _ *sql.DB, s *sql.Stmt, rows, n int) error {
	for range n {
		result, err := s.QueryContext(ctx)
		if err != nil {
			return err
		}
		defer result.Close()
		count := 0
		for result.Next() {
			var id int
			var body sql.RawBytes
			if err := result.Scan(&id, &body); err != nil {
				return err
			}
			count++
		}
		if err := result.Err(); err != nil {
			return err
		}
		if count != rows {
			return fmt.Errorf("%d rows were scanned instead of %d", count, rows)
		}
	}
	return nil
}
