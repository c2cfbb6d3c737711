package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/afero"

	"github.com/holdfastdb/holdfast"
)

// streamedDriver is what a child calls itself whose copies go through its memory,
// because its file system is not known to be that of the machine.
const streamedDriver = "streamed"

type otherFs struct{ afero.Fs }

// openDatabase opens a database for a child.
func openDatabase(driver, dsn string) (*sql.DB, error) {
	if driver == streamedDriver {
		return holdfast.Open(dsn, holdfast.Options{FS: otherFs{afero.NewOsFs()}})
	}
	return sql.Open(driver, dsn)
}

// A way is one of the ways to copy a database, and what it took.
type way struct {
	name string
	maker
	times  []float64 // nanoseconds from the opening to the first commit
	grown  []float64 // bytes by which that raised the most memory that was ever resident
	memory []float64 // that, in bytes
}

// takeovers measures how long the first commit takes when the holder was killed in
// mid-transaction on the same host, so that nobody waits for its lease, and how much
// memory. The ways take turns at one database.
func (b *bench) takeovers() error {
	t := b.newTable("takeover of", "copied", "rounds", "open to first commit", "min to max", "peak of resident memory", "of that for the takeover")
	for _, size := range []struct{ megabytes, rounds int }{{1, 21}, {100, 7}, {1200, 3}} {
		ways := []*way{
			{name: "by the file system", maker: sticky},
			{name: "streamed", maker: maker{streamedDriver, sticky.params}},
			{name: "not at all (fence=off)", maker: unfenced},
		}
		if err := b.takeTurns(ways, size.megabytes, size.rounds); err != nil {
			return fmt.Errorf("takeover of %d MB: %w", size.megabytes, err)
		}
		for _, w := range ways {
			t.row(fmt.Sprintf("%d MB", size.megabytes), w.name, fmt.Sprint(size.rounds), nanoseconds(median(w.times)),
				nanoseconds(quantile(w.times, 0))+" to "+nanoseconds(quantile(w.times, 1)),
				mebibytes(quantile(w.memory, 1)), mebibytes(quantile(w.grown, 1)))
		}
	}
	return nil
}

func mebibytes(bytes float64) string {
	if bytes == 0 {
		return "unknown"
	}
	return fmt.Sprintf("%.1f MiB", bytes/(1<<20))
}

// takeTurns has each way take over so many times. Those with a fence share a
// database: a register has all its holders fenced or none.
func (b *bench) takeTurns(ways []*way, megabytes, rounds int) error {
	paths := make(map[string]string)
	for _, w := range ways {
		if paths[w.params] != "" {
			continue
		}
		dir, err := b.place()
		if err != nil {
			return err
		}
		paths[w.params] = dir + "/app.db"
		if err := fillMegabytes(b.ctx, paths[w.params], megabytes); err != nil {
			return err
		}
	}
	for range rounds {
		for _, w := range ways {
			if err := b.takeOver(w, paths[w.params]); err != nil {
				return fmt.Errorf("%s: %w", w.name, err)
			}
		}
	}
	return nil
}

// fillMegabytes makes a database of about that size, as quickly as it goes.
func fillMegabytes(ctx context.Context, path string, megabytes int) error {
	db, err := stock.open(path, "_pragma=journal_mode(off)&_pragma=synchronous(off)")
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, createTable)
	if err == nil {
		_, err = db.ExecContext(ctx, `WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i+1 FROM n WHERE i < ?)
			INSERT INTO t (body) SELECT randomblob(10000) FROM n`, 100*megabytes)
	}
	return errors.Join(err, db.Close())
}

// takeOver kills a holder, and has another process commit.
func (b *bench) takeOver(w *way, path string) error {
	holder, err := b.newPeer(sticky.as(w.params), path)
	if err != nil {
		return err
	}
	defer holder.close()
	if _, err := holder.do(doHold); err != nil {
		return err
	}
	heir, err := b.newPeer(w.maker, path)
	if err != nil {
		return err
	}
	defer heir.close()
	before, err := heir.ask(doPeak)
	if err != nil {
		return err
	}
	if err := holder.kill(); err != nil {
		return err
	}
	took, err := heir.do(doCommit)
	if err != nil {
		return err
	}
	after, err := heir.ask(doPeak)
	if err != nil {
		return err
	}
	w.times = append(w.times, float64(took.Nanoseconds()))
	w.memory = append(w.memory, float64(after))
	w.grown = append(w.grown, float64(after-before))
	return b.wait(100 * time.Millisecond) // the old file is being removed
}

// as returns the maker with other parameters.
func (m maker) as(params string) maker {
	m.params = params
	return m
}
