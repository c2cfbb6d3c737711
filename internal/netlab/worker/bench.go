package main

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/holdfastdb/holdfast/internal/netlab/workload"
)

// benchErrors is after how many errors a bench gives up.
const benchErrors = 100

// bench repeats an operation, and measures each.
func (p *pool) bench(ctx context.Context, b workload.Bench) (*workload.Measured, error) {
	query, ok := map[string]string{
		workload.BenchCommit: `INSERT INTO bench (v) VALUES (1)`,
		workload.BenchRead:   `SELECT v FROM bench WHERE id = 1`,
	}[b.Kind]
	if !ok || b.For <= 0 && b.Count <= 0 {
		return nil, fmt.Errorf("%w: a bench is a %s or a %s, for a time or a number", errUsage, workload.BenchCommit, workload.BenchRead)
	}
	statement, err := p.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer statement.Close()
	// The end of the bench cuts no operation off: that is for the limit of the command.
	enough := ctx
	if b.For > 0 {
		var cancel context.CancelFunc
		enough, cancel = context.WithTimeout(ctx, b.For)
		defer cancel()
	}
	return measure(enough, p.open.Path, b.Count, func() error { return once(ctx, statement, b.Kind) }), nil
}

func once(ctx context.Context, statement *sql.Stmt, kind string) error {
	if kind == workload.BenchCommit {
		_, err := statement.ExecContext(ctx)
		return err
	}
	var v int
	return statement.QueryRowContext(ctx).Scan(&v)
}

// measure repeats an operation until ctx ends, or so many times if count is not 0.
func measure(ctx context.Context, path string, count int, operation func() error) *workload.Measured {
	m := &workload.Measured{Errors: make(map[string]int)}
	before, known := calls(filepath.Dir(path))
	var took []time.Duration
	began := time.Now()
	for failed := 0; ctx.Err() == nil && failed < benchErrors && (count == 0 || len(took) < count); {
		start := time.Now()
		if err := operation(); err != nil {
			failed++
			m.Errors[kindOf(err)]++
			m.Last = err.Error()
			continue
		}
		took = append(took, time.Since(start))
	}
	m.Elapsed, m.Count = time.Since(began), len(took)
	if after, still := calls(filepath.Dir(path)); known && still {
		m.Calls = after.since(before)
	}
	if len(took) == 0 {
		return m
	}
	slices.Sort(took)
	at := func(percent int) time.Duration { return took[min(len(took)-1, len(took)*percent/100)] }
	m.P50, m.P90, m.P99, m.Max = at(50), at(90), at(99), took[len(took)-1]
	return m
}
