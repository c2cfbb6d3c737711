package shell

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ncruces/go-sqlite3"

	"github.com/holdfastdb/holdfast/cmd/holdfast/internal/render"
	"github.com/holdfastdb/holdfast/cmd/holdfast/internal/sqltext"
	"github.com/holdfastdb/holdfast/vfs"
)

// guarded runs f on a context that an interrupt ends.
func (sh *Shell) guarded(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-sh.opts.Interrupts:
			sh.interrupted.Store(true)
			cancel()
		case <-ctx.Done():
		}
	}()
	defer func() { cancel(); <-done }()
	return f(ctx)
}

// do runs a statement or several, or a dot-command, and tells of an error. It
// reports whether all went well.
func (sh *Shell) do(ctx context.Context, line int, text string) bool {
	wasIn := sh.session.inTransaction()
	start := time.Now()
	at, err := line, error(nil)
	if strings.HasPrefix(text, ".") {
		err = sh.guarded(ctx, func(ctx context.Context) error { return sh.command(ctx, text) })
	} else {
		at, err = sh.runSQL(ctx, line, text)
	}
	err = errors.Join(err, sh.out.settle())
	if err != nil {
		sh.fail(at, err)
	} else if sh.set.timer && !strings.HasPrefix(text, ".") {
		sh.say("Run Time: real %.3f", time.Since(start).Seconds())
	}
	if sh.session.conn != nil && wasIn && err != nil && !sh.session.inTransaction() {
		sh.say("the transaction was rolled back")
	}
	if err := sh.session.settle(); err != nil {
		sh.fail(0, err)
	}
	return err == nil
}

// runSQL runs statements one after the other, up to the first that fails, and
// returns the line of that.
func (sh *Shell) runSQL(ctx context.Context, line int, text string) (int, error) {
	if i := strings.IndexByte(text, 0); i >= 0 {
		return line + strings.Count(text[:i], "\n"), errors.New("SQL text holds a NUL character: write char(0) instead")
	}
	if sqltext.SkipBlank(text) == "" {
		return line, nil
	}
	at := line
	err := sh.guarded(ctx, func(ctx context.Context) error {
		if err := sh.session.acquire(ctx); err != nil {
			return err
		}
		for rest := sqltext.SkipBlank(text); rest != ""; rest = sqltext.SkipBlank(rest) {
			at = line + strings.Count(text[:len(text)-len(rest)], "\n")
			var err error
			if rest, err = sh.statement(rest); err != nil {
				return err
			}
		}
		return nil
	})
	return at, err
}

// statement runs the first statement of text and returns what follows it.
func (sh *Shell) statement(text string) (rest string, err error) {
	raw := sh.session.raw
	defer func() { err = vfs.Explain(raw, err) }()
	sh.session.note(text)
	stmt, rest, err := raw.Prepare(text)
	if err != nil || stmt == nil {
		return rest, err
	}
	defer stmt.Close() // its error is the one that Err told
	if err := sh.show(stmt); err != nil {
		return rest, err
	}
	if err := sh.session.lost(); err != nil {
		return rest, fmt.Errorf("%w: %w", vfs.CodeLost, err) // what was shown may not have been true
	}
	if sh.set.changes {
		sh.say("changes: %d   total_changes: %d", raw.Changes(), raw.TotalChanges())
	}
	return rest, nil
}

// show runs a statement to its end and writes its result as it comes.
func (sh *Shell) show(stmt *sqlite3.Stmt) error {
	n := stmt.ColumnCount()
	if n == 0 {
		stmt.Step()
		return stmt.Err()
	}
	names := make([]string, n)
	for i := range names {
		names[i] = stmt.ColumnName(i)
	}
	w := render.New(sh.out, sh.render)
	begun := false
	row := make([]render.Value, n)
	for stmt.Step() {
		if !begun {
			begun = true
			if err := w.Begin(names); err != nil {
				return err
			}
		}
		for i := range row {
			row[i] = render.Column(stmt, i)
		}
		if err := w.Row(row); err != nil {
			return err
		}
	}
	err := stmt.Err()
	if err == nil && !begun {
		err, begun = w.Begin(names), true
	}
	if begun {
		err = errors.Join(err, w.End())
	}
	return err
}
