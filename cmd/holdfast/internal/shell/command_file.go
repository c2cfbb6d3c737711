package shell

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
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
	if err := sh.notItself(schema, file); err != nil {
		return err
	}
	_, before := os.Lstat(file)
	b, err := sh.session.raw.BackupInit(schema, throughLocks(file, "rwc"))
	if err == nil {
		err = copyPages(ctx, b, sh.session.timeout)
	}
	if err != nil && errors.Is(before, fs.ErrNotExist) {
		os.Remove(file) // it holds nothing: SQLite undid what was copied
	}
	if err != nil {
		return fmt.Errorf("back up to %s: %w", file, vfs.Explain(sh.session.raw, err))
	}
	return nil
}

func restore(sh *Shell, _ context.Context, args []string) error {
	schema, file := schemaAndFile(args)
	if sh.session.inTransaction() {
		return errInTransaction
	}
	if err := sh.notItself(schema, file); err != nil {
		return err
	}
	if err := sh.session.raw.Restore(schema, throughLocks(file, "ro")); err != nil {
		return fmt.Errorf("restore from %s: %w", file, vfs.Explain(sh.session.raw, err))
	}
	return nil
}

// throughLocks names a file so that it is opened under a lock of ours: by default
// a backup would go past it.
func throughLocks(file, mode string) string {
	return "file:" + target.Escape(file) + "?vfs=holdfast&mode=" + mode
}

// notItself refuses to copy a database onto itself, which would wait for itself.
func (sh *Shell) notItself(schema, file string) error {
	name := sh.session.raw.Filename(schema)
	if name == nil {
		return fmt.Errorf("no database %q: .databases lists them", schema)
	}
	if name.String() == "" {
		return nil
	}
	if sameFile(name.String(), file) {
		return fmt.Errorf("%s is this very database: name another file", file)
	}
	return nil
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
func copyPages(ctx context.Context, b *sqlite3.Backup, timeout time.Duration) (err error) {
	defer func() { err = errors.Join(err, b.Close()) }()
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
	f, err := os.Open(args[0])
	if err != nil {
		return err
	}
	defer f.Close()
	outer := sh.script
	sh.script = args[0]
	sh.depth++
	defer func() { sh.script = outer; sh.depth-- }()
	r := bufio.NewReader(f)
	ok := sh.runScript(ctx, func(context.Context) (string, error) {
		line, err := r.ReadString('\n')
		if line != "" {
			err = nil
		}
		return line, err
	})
	if !ok && !sh.quit {
		return ErrFailed // so that the script that reads this one stops too
	}
	return nil
}
