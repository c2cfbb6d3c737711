package demo

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/holdfastdb/holdfast"
	"github.com/holdfastdb/holdfast/cmd/holdfast/internal/target"
	"github.com/holdfastdb/holdfast/locking"
)

// ErrNoLease: the lock that was chosen is not a lease, and so there is nothing to
// show.
var ErrNoLease = errors.New("demo: it shows a lease, which this lock has not: leave --lock out, or use --lock leasefile")

// database is the name of the database in its directory.
const database = "bank.db"

// Options says how the demonstration runs.
type Options struct {
	Dir    string        // where its own directory is made; "" is the system's place for temporary files
	Keep   bool          // leave the files there
	Length time.Duration // how long the writers write, at least; the acts may take longer
	Lock   string        // URL of the lock, which must be a lease
	TTL    string        // of the lease
	Writer []string      // the command that runs [Write]
	Out    io.Writer
}

// Run runs the demonstration. It returns an error if anything was not as promised.
func Run(ctx context.Context, opts Options) (err error) {
	// The kernel kills the writers if the thread that started them ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	dir, err := os.MkdirTemp(opts.Dir, "holdfast-demo-")
	if err != nil {
		return fmt.Errorf("make a directory for the demonstration: %w", err)
	}
	screen := newScreen(opts.Out)
	defer func() {
		wrong := err != nil && ctx.Err() == nil && screen.err == nil && !errors.Is(err, ErrNoLease)
		if wrong || opts.Keep {
			screen.note("the files are kept in %s", dir)
			return
		}
		err = errors.Join(err, os.RemoveAll(dir))
	}()

	db, err := target.Parse(filepath.Join(dir, database), target.Flags{Lock: opts.Lock, TTL: opts.TTL})
	if err != nil {
		return err
	}
	ttl, err := prepare(ctx, db.DSN)
	if err != nil {
		return err
	}
	screen.note("Three processes write to one database, %s,", filepath.Join(dir, database))
	screen.note("through a lease of %v, and without any lock of the operating system.", ttl)
	d := newDirector(opts, dir, db.DSN, ttl, screen)
	if err := d.play(ctx); err != nil {
		return err
	}
	screen.done()
	r := d.report()
	err = r.check(ctx, db.DSN)
	return errors.Join(r.write(opts.Out), err)
}

// prepare makes the database, and gives its lease up again for the writers.
func prepare(ctx context.Context, dsn string) (ttl time.Duration, err error) {
	db, err := holdfast.Open(dsn, holdfast.Options{})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := lease(ctx, db, &ttl, dsn); err != nil {
		return 0, err
	}
	return ttl, create(ctx, db)
}

// lease finds out the TTL, and refuses a lock that has none.
func lease(ctx context.Context, db *sql.DB, ttl *time.Duration, dsn string) error {
	if err := db.PingContext(ctx); err != nil {
		return err
	}
	status, err := holdfast.Status(ctx, dsn)
	if err != nil {
		return err
	}
	if status.Grade == locking.GradeKernel {
		return ErrNoLease
	}
	*ttl = status.TTL
	return nil
}
