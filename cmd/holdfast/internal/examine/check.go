// Package examine looks what is in a database file without touching it.
package examine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ncruces/go-sqlite3"

	"github.com/holdfastdb/holdfast/cmd/holdfast/internal/target"
)

// sides are what SQLite keeps beside a database, with the database itself.
var sides = []string{"", "-journal", "-wal"}

// Check copies a database file, with its journal and WAL, to a private place on this
// host, has SQLite recover the copy there, and returns what PRAGMA integrity_check
// says of it: "ok", or the first that is wrong. An error says that this could not be
// found out. progress is told how many of how many bytes are copied.
//
// Nothing beside the file is read, created or changed. The memory it takes does not
// grow with the file; the place must have room for the copy.
func Check(ctx context.Context, file string, progress func(copied, total int64)) (verdict string, err error) {
	dir, err := os.MkdirTemp("", "holdfast-check-")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	copy := filepath.Join(dir, "copy.db")
	if err := copyAll(ctx, file, copy, progress); err != nil {
		return "", fmt.Errorf("copy it to %s: %w", dir, err)
	}
	return integrity(ctx, copy)
}

func copyAll(ctx context.Context, from, to string, progress func(copied, total int64)) error {
	m := &meter{ctx: ctx, tell: progress}
	for _, side := range sides {
		if info, err := os.Stat(from + side); err == nil {
			m.total += info.Size()
		}
	}
	for _, side := range sides {
		err := copyFile(from+side, to+side, m)
		if err != nil && (side == "" || !errors.Is(err, fs.ErrNotExist)) {
			return err
		}
	}
	return nil
}

func copyFile(from, to string, m *meter) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(io.MultiWriter(out, m), struct{ io.Reader }{in}, make([]byte, 1<<20))
	return errors.Join(err, out.Close())
}

// A meter counts what is written, and ends it with ctx.
type meter struct {
	ctx         context.Context
	tell        func(done, total int64)
	done, total int64
}

func (m *meter) Write(p []byte) (int, error) {
	if m.ctx.Err() != nil {
		return 0, context.Cause(m.ctx)
	}
	m.done += int64(len(p))
	m.tell(m.done, max(m.done, m.total)) // it may have grown
	return len(p), nil
}

// integrity opens a private file with SQLite's own VFS, which plays its journal back,
// and checks it.
func integrity(ctx context.Context, file string) (verdict string, err error) {
	db, err := sqlite3.Open("file:" + target.Escape(file) + "?mode=rw")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetInterrupt(ctx)
	stmt, _, err := db.Prepare(`PRAGMA integrity_check(1)`)
	if err == nil {
		defer stmt.Close()
		if stmt.Step() {
			return stmt.ColumnText(0), nil
		}
		err = stmt.Err()
	}
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if errors.Is(err, sqlite3.CORRUPT) || errors.Is(err, sqlite3.NOTADB) {
		return err.Error(), nil
	}
	return "", err
}
