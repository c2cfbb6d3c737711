package holdfast_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/ext/fts5"

	"github.com/holdfastdb/holdfast"
)

func Example() {
	slog.SetLogLoggerLevel(slog.LevelWarn) // keep the line at opening out of this example
	dir, err := os.MkdirTemp("", "holdfast")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	db, err := sql.Open("holdfast", "file:"+filepath.ToSlash(dir)+"/app.db?lock=leasefile&ttl=15s")
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`CREATE TABLE notes (text); INSERT INTO notes VALUES ('hello')`); err != nil {
		log.Fatal(err)
	}
	var text string
	if err := db.QueryRow(`SELECT text FROM notes`).Scan(&text); err != nil {
		log.Fatal(err)
	}
	fmt.Println(text)
	// Output: hello
}

// Whoever is in the way is named, and a deadline is kept.
func ExampleHeldError() {
	slog.SetLogLoggerLevel(slog.LevelWarn)
	dir, err := os.MkdirTemp("", "holdfast")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	db, err := holdfast.Open(filepath.Join(dir, "app.db"), holdfast.Options{
		Lock:   "leasefile",
		TTL:    5 * time.Second,
		Params: url.Values{"_pragma": {"busy_timeout(100)"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`CREATE TABLE t (x)`); err != nil {
		log.Fatal(err)
	}

	writer, err := db.BeginTx(context.Background(), &sql.TxOptions{Isolation: sql.LevelSerializable})
	if err != nil {
		log.Fatal(err)
	}
	defer writer.Rollback()

	_, err = db.Exec(`INSERT INTO t VALUES (1)`)
	var held *holdfast.HeldError
	if errors.Is(err, sqlite3.BUSY) && errors.As(err, &held) {
		fmt.Println("held at", held.Level, "by this process:", held.Holder.PID == os.Getpid())
	}

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	_, err = db.ExecContext(ctx, `INSERT INTO t VALUES (1)`)
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
	// Output:
	// held at RESERVED by this process: true
	// true
}

// Full-text search, like other extensions, is a package of go-sqlite3.
func ExampleOptions_extension() {
	slog.SetLogLoggerLevel(slog.LevelWarn)
	dir, err := os.MkdirTemp("", "holdfast")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	db, err := holdfast.Open(filepath.Join(dir, "app.db"), holdfast.Options{
		Lock: "leasefile",
		Init: fts5.Register,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`CREATE VIRTUAL TABLE notes USING fts5(text); INSERT INTO notes VALUES ('hello world')`); err != nil {
		log.Fatal(err)
	}
	var text string
	if err := db.QueryRow(`SELECT text FROM notes WHERE notes MATCH 'world'`).Scan(&text); err != nil {
		log.Fatal(err)
	}
	fmt.Println(text)
	// Output: hello world
}

// Status is for people and for programs that watch: it takes no lock.
func ExampleStatus() {
	slog.SetLogLoggerLevel(slog.LevelWarn)
	dir, err := os.MkdirTemp("", "holdfast")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	name := "file:" + filepath.ToSlash(dir) + "/app.db?lock=leasefile"
	db, err := sql.Open("holdfast", name)
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`CREATE TABLE t (x)`); err != nil {
		log.Fatal(err)
	}
	status, err := holdfast.Status(context.Background(), name)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(status.Grade, len(status.Holders), "holder")
	// Output: fenced 1 holder
}
