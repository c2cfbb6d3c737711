package main

import (
	"context"
	"database/sql"
	"errors"
	"net/url"

	_ "github.com/ncruces/go-sqlite3/driver"

	_ "github.com/holdfastdb/holdfast"
)

// A maker opens a database of one kind at a path.
type maker struct {
	driver string
	params string // of the data source name, before those of the workload
}

var (
	stock    = maker{driver: "sqlite3"}
	kernel   = maker{driver: "holdfast", params: "lock=flock"}
	sticky   = maker{driver: "holdfast", params: "lock=leasefile"}
	unsticky = maker{driver: "holdfast", params: "lock=leasefile&sticky=off"}
)

// open opens a database with one connection.
func (m maker) open(path, params string) (*sql.DB, error) {
	db, err := sql.Open(m.driver, m.dsn(path, params))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

// dsn returns a data source name. The busy timeout is that of a program that
// names no pragma.
func (m maker) dsn(path, params string) string {
	u := url.URL{Scheme: "file", Path: path, RawQuery: "_pragma=busy_timeout(60000)"}
	for _, p := range []string{m.params, params} {
		if p != "" {
			u.RawQuery += "&" + p
		}
	}
	return u.String()
}

// A workload is some work on a database.
type workload struct {
	params  string
	rows    int // in the table, of 100 bytes each, of a workload that only reads
	least   int // operations at a time
	prepare func(ctx context.Context, db *sql.DB, rows int) (work func(n int) error, done func() error, err error)
}

// on makes a side of a workload on one kind of database.
func (w workload) on(ctx context.Context, m maker) side {
	return side{reads: w.rows > 0, open: func(path string) (*subject, error) {
		db, err := m.open(path, w.params)
		if err != nil {
			return nil, err
		}
		if err := fill(ctx, db, w.rows); err != nil {
			return nil, errors.Join(err, db.Close())
		}
		work, done, err := w.prepare(ctx, db, w.rows)
		if err != nil {
			return nil, errors.Join(err, db.Close())
		}
		return &subject{work: work, n: max(1, w.least), close: func() error { return errors.Join(done(), db.Close()) }}, nil
	}}
}

const (
	createTable = `CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, body BLOB)`
	insertRow   = `INSERT INTO t (body) VALUES (randomblob(100))`
)

// fill makes the table, unless it is there.
func fill(ctx context.Context, db *sql.DB, rows int) error {
	if _, err := db.ExecContext(ctx, createTable); err != nil {
		return err
	}
	_, err := db.ExecContext(ctx, `WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i+1 FROM n WHERE i < ?)
		INSERT INTO t (body) SELECT randomblob(100) FROM n WHERE ? > (SELECT count(*) FROM t)`, rows, rows)
	return err
}
