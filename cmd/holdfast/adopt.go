package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/holdfastdb/holdfast"
	"github.com/holdfastdb/holdfast/cmd/holdfast/internal/examine"
	"github.com/holdfastdb/holdfast/cmd/holdfast/internal/lockview"
	"github.com/holdfastdb/holdfast/cmd/holdfast/internal/meter"
)

// adoptFlags are the flags of adopt alone.
type adoptFlags struct {
	file         string
	yes, noCheck bool
}

func adoptCommand(line *commandLine) *cobra.Command {
	var flags adoptFlags
	cmd := &cobra.Command{
		Use:   "adopt DB",
		Short: "Say which file is the database when its register is gone",
		Long: `Say which file is the database when its register cannot tell: it was deleted or
damaged, belongs to another database, or names a file that is not there. Until then
nobody is let in.

The files that may be the database are listed and checked, each in a private copy, so
that nothing is touched. One is recommended; the others stay as they are. Whoever
opens the database next copies the file first, since a process that the register
forgot may still write to it. Nothing is done while the register is in order, or a
process has the database in use.`,
		Example:           "  holdfast adopt --lock leasefile app.db\n  holdfast adopt --lock leasefile --file app.db@18-3fa9c2d1 --yes app.db",
		Args:              oneDatabase,
		ValidArgsFunction: completeDatabase,
		RunE: line.onDatabase(func(ctx context.Context, dsn string) error {
			err := line.adopt(ctx, dsn, flags)
			if ctx.Err() != nil && errors.Is(err, context.Canceled) {
				return errNo
			}
			return err
		}),
	}
	cmd.Flags().StringVar(&flags.file, "file", "", "adopt this file, not the one that is recommended")
	cmd.Flags().BoolVar(&flags.noCheck, "no-check", false, "do not copy the files to check them")
	cmd.Flags().BoolVarP(&flags.yes, "yes", "y", false, "do not ask")
	return cmd
}

// adoptName is how texts name the command.
const adoptName = "holdfast adopt"

// withCommand completes the command in a text so that it can be pasted. If no lock is
// named it is that which auto takes for a lease, since auto cannot find one that is gone.
func (l *commandLine) withCommand(text string) string {
	if l.typed == "" {
		return text
	}
	command, lock := adoptName, l.lock
	if l.db.Lock == "" && os.Getenv("HOLDFAST_LOCK") == "" || lock == "flock" {
		lock = "leasefile"
	}
	if lock != "" {
		command += " --lock " + quoted(lock)
	}
	return strings.ReplaceAll(text, adoptName, command+" "+quoted(l.typed))
}

// quoted is a word as a shell reads it.
func quoted(word string) string {
	if strings.ContainsAny(word, " \t\n'\"\\$&;|<>()*?#~`!{}[]") {
		return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	return word
}

func (l *commandLine) adopt(ctx context.Context, dsn string, flags adoptFlags) error {
	inv, err := holdfast.Inspect(ctx, dsn)
	switch {
	case err != nil:
		return err
	case inv.Damage == nil:
		return fmt.Errorf("adopt: %w: the database is %s: open it", holdfast.ErrIntact, file(inv))
	case len(inv.Candidates) == 0:
		return fmt.Errorf("adopt: %w, and there is no file that could be the database: restore one as %s, and adopt that",
			inv.Damage, filepath.Base(inv.Path))
	}
	if !flags.yes {
		if err := l.canAsk("adopt"); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintf(l.stdout, "%v\n\n", inv.Damage); err != nil {
		return err
	}
	verdicts, err := l.check(ctx, inv, flags)
	if err != nil {
		return err
	}
	base := filepath.Base(inv.Path)
	chosen, why := recommend(base, inv.Candidates, verdicts)
	if _, err := fmt.Fprintf(l.stdout, "%s\n\n%s\n", tableOf(base, inv.Candidates, verdicts), why); err != nil {
		return err
	}
	if flags.file != "" {
		chosen = flags.file
	}
	if chosen == "" {
		return errors.New("adopt: none is recommended: choose one with --file")
	}
	if !flags.yes {
		if err := l.confirm(ctx, fmt.Sprintf("Adopt %s?", chosen)); err != nil {
			return err
		}
	}
	name := chosen
	if name == base {
		name = ""
	}
	if err := holdfast.Adopt(ctx, dsn, name); err != nil {
		return err
	}
	_, err = fmt.Fprintf(l.stdout, "%s is adopted: whoever opens %s next copies it, and goes on with the copy\n", chosen, base)
	return err
}

// unchecked is the verdict on a file that nobody looked into.
const unchecked = "not checked"

// check returns a verdict on each candidate.
func (l *commandLine) check(ctx context.Context, inv holdfast.Inventory, flags adoptFlags) (map[string]string, error) {
	verdicts := make(map[string]string)
	dir, base := filepath.Split(inv.Path)
	for _, c := range inv.Candidates {
		name := cmp.Or(c.File, base)
		if flags.noCheck {
			verdicts[c.File] = unchecked
			continue
		}
		if inv.Elsewhere {
			verdicts[c.File] = unchecked + ": it lies in another file system"
			continue
		}
		bar := meter.New(l.stderr, "checking "+name)
		verdict, err := examine.Check(ctx, filepath.Join(dir, name), bar.Set)
		bar.End(err == nil)
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err != nil:
			verdict = unchecked + ": " + strings.ReplaceAll(err.Error(), "\n", "; ")
		}
		verdicts[c.File] = verdict
	}
	return verdicts, nil
}

// recommend returns the candidate that is most likely the database, or "", and why.
func recommend(base string, all []holdfast.Candidate, verdicts map[string]string) (file, why string) {
	for _, c := range all {
		verdict := verdicts[c.File]
		if c.Size == 0 && !c.WAL || verdict != "ok" && !strings.HasPrefix(verdict, unchecked) {
			continue
		}
		file = cmp.Or(c.File, base)
		why = fmt.Sprintf("Recommended is %s: ", file)
		switch {
		case len(all) == 1:
			why += "there is no other."
		case c.Epoch == 0:
			why += "no other is sound."
		default:
			why += fmt.Sprintf("of those that are not damaged it has the highest epoch, %d, and each takeover copies to a higher one.\n", c.Epoch) +
				"A copy that was never finished has a high epoch too: compare size, time and counter with the others."
		}
		if verdict != "ok" {
			why += "\nNobody looked into it."
		}
		return file, why
	}
	return "", "None is recommended: all of them are damaged or empty."
}

// tableOf lists the candidates.
func tableOf(base string, all []holdfast.Candidate, verdicts map[string]string) string {
	t := table.NewWriter()
	t.SetStyle(table.Style{Box: table.StyleBoxLight, Options: table.OptionsDefault})
	t.AppendHeader(table.Row{"file", "epoch", "size", "changed", "counter", "beside it", "integrity"})
	for _, c := range all {
		epoch := "plain name"
		if c.Epoch > 0 {
			epoch = fmt.Sprint(c.Epoch)
		}
		var beside []string
		if c.Journal {
			beside = append(beside, "hot journal")
		}
		if c.WAL {
			beside = append(beside, "WAL")
		}
		t.AppendRow(table.Row{cmp.Or(c.File, base), epoch, lockview.Bytes(c.Size), c.Modified.Format(time.DateTime), c.Changes, strings.Join(beside, ", "), verdicts[c.File]})
	}
	return t.Render()
}
