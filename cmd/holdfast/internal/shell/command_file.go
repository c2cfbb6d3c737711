package shell

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/ncruces/go-sqlite3"

	"github.com/holdfastdb/holdfast/cmd/holdfast/internal/dump"
	"github.com/holdfastdb/holdfast/cmd/holdfast/internal/target"
	"github.com/holdfastdb/holdfast/vfs"
)

var fileCommands = []command{
	{name: ".backup", args: "[DB] FILE", help: "Copy a database (main) to FILE", min: 1, max: 2, takes: someFile, run: backup},
	{name: ".dump", args: "[TABLE...]", help: "Write the database as SQL, or tables LIKE the patterns", max: -1, takes: someTable, run: dumpAll},
	{name: ".import", args: "[--csv] [--skip N] FILE TABLE", help: "Add the rows of a CSV file to TABLE", min: 2, max: 5, takes: someFile, run: importFile},
	{name: ".open", args: "FILE", help: "Close the database and open another", min: 1, max: 1, takes: someFile, local: true, run: open},
	{name: ".read", args: "FILE", help: "Run the SQL and commands in FILE", min: 1, max: 1, takes: someFile, local: true, run: read},
	{name: ".restore", args: "[DB] FILE", help: "Replace a database (main) by the content of FILE", min: 1, max: 2, takes: someFile, run: restore},
}

func dumpAll(sh *Shell, _ context.Context, args []string) error {
	return dump.Write(sh.out, sh.session.raw, args...)
}

// schemaAndFile takes [DB] FILE apart.
func schemaAndFile(args []string) (schema, file string) {
	if len(args) == 2 {
		return args[0], args[1]
	}
	return "main", args[0]
}

func backup(sh *Shell, ctx context.Context, args []string) error {
	schema, file := schemaAndFile(args)
	t, err := sh.another(schema, file, "")
	if err != nil {
		return err
	}
	b, err := sh.session.raw.BackupInit(schema, t.WithVFS())
	if err == nil {
		err = copyPages(ctx, b, sh.session.timeout)
		if err == nil {
			err = b.Close()
		} else {
			err = vfs.Explain(sh.session.raw, err)
			undo(ctx, b, t)
		}
	}
	if err != nil {
		return fmt.Errorf("back up to %s: %w", file, err)
	}
	return nil
}

// undo ends a backup that failed. If the disk is full SQLite leaves its journal, which
// would be played back into whatever is put there next, so a second connection sees to
// that; it keeps the lease, which could not be given up before there is room. The file
// stays, since somebody else may have begun to use it.
func undo(ctx context.Context, b *sqlite3.Backup, t target.Target) {
	conn, err := sqlite3.Open(t.WithVFS() + "&mode=rw")
	b.Close() // its error is the one that Step told
	if err == nil {
		conn.SetInterrupt(ctx)
		conn.Exec(`PRAGMA schema_version`)
		conn.Close()
	}
}

func restore(sh *Shell, ctx context.Context, args []string) error {
	schema, file := schemaAndFile(args)
	if sh.session.inTransaction() {
		return errInTransaction
	}
	t, err := sh.another(schema, file, "ro")
	if err != nil {
		return err
	}
	err = sh.whileReading(ctx, t, func() error {
		return vfs.Explain(sh.session.raw, sh.session.raw.Restore(schema, t.WithVFS()))
	})
	if err != nil {
		return fmt.Errorf("restore from %s: %w", file, err)
	}
	if ctx.Err() != nil {
		sh.say("restored from %s before it could be interrupted", file) // go-sqlite3 has no way to
	}
	return nil
}

// whileReading calls f while a connection of its own reads a database. That waits for
// other processes, can be interrupted meanwhile and names who is in the way, none of
// which SQLite does for a database that it copies from.
func (sh *Shell) whileReading(ctx context.Context, t target.Target, f func() error) error {
	conn, err := sqlite3.Open(t.WithVFS())
	if err != nil {
		return err
	}
	defer conn.Close() // it only read
	conn.SetInterrupt(ctx)
	err = conn.BusyTimeout(sh.session.timeout)
	if err == nil {
		err = conn.Exec(`BEGIN; SELECT count(*) FROM sqlite_schema`)
	}
	if err != nil {
		return vfs.Explain(conn, err)
	}
	return f()
}

// another returns the database that a file name or a data source name leads to. It
// refuses the one that has the name schema: to copy a database onto itself would wait
// for itself.
func (sh *Shell) another(schema, file, mode string) (target.Target, error) {
	own := sh.session.raw.Filename(schema)
	if own == nil {
		return target.Target{}, fmt.Errorf("no database %q: .databases lists them", schema)
	}
	t, err := target.Parse(file, target.Flags{Mode: mode})
	if err == nil && own.String() != "" && sameFile(own.String(), t.Path) {
		err = fmt.Errorf("%s is this very database: name another file", file)
	}
	return t, err
}

// sameFile reports whether two names lead to one database, which after a takeover
// may lie under another name than either.
func sameFile(own, other string) bool {
	a, err1 := os.Stat(own)
	b, err2 := os.Stat(other)
	if err1 == nil && err2 == nil {
		return os.SameFile(a, b)
	}
	dir, err1 := os.Stat(filepath.Dir(own))
	otherDir, err2 := os.Stat(filepath.Dir(other))
	return err1 == nil && err2 == nil && os.SameFile(dir, otherDir) && filepath.Base(own) == filepath.Base(other)
}

// copyPages copies by the portion, so that it can be interrupted and others come
// in between. If one of them writes, SQLite begins again. While somebody is in the
// way it tries for as long as timeout says.
func copyPages(ctx context.Context, b *sqlite3.Backup, timeout time.Duration) error {
	for since := time.Now(); ; {
		done, err := b.Step(1000)
		switch {
		case done:
			return nil
		case err == nil:
			since = time.Now()
		case !errors.Is(err, sqlite3.BUSY) && !errors.Is(err, sqlite3.LOCKED) || time.Since(since) > timeout:
			return err
		default:
			select { // SQLite has no way to wait here
			case <-time.After(10 * time.Millisecond):
			case <-ctx.Done():
			}
		}
		if ctx.Err() != nil {
			return sqlite3.INTERRUPT
		}
	}
}

func open(sh *Shell, ctx context.Context, args []string) error {
	if sh.session.inTransaction() {
		return errInTransaction
	}
	t, err := target.Parse(args[0], sh.opts.Flags)
	if err != nil {
		return err
	}
	next := openSession(t)
	if err := next.probe(ctx); err != nil {
		return errors.Join(err, next.close())
	}
	old := sh.session
	sh.session = next
	return old.close()
}

// maxDepth bounds scripts that read scripts.
const maxDepth = 25

func read(sh *Shell, ctx context.Context, args []string) error {
	if sh.depth == maxDepth {
		return fmt.Errorf("%d scripts read one another: that does not look meant", maxDepth)
	}
	in, err := openInput(ctx, args[0])
	if err != nil {
		return err
	}
	defer in.Close()
	outer := sh.script
	sh.script = args[0]
	sh.depth++
	defer func() { sh.script = outer; sh.depth-- }()
	ok := sh.runScript(ctx, readLines(in).next)
	if !ok && !sh.quit {
		return ErrFailed // so that the script that reads this one stops too
	}
	return nil
}
