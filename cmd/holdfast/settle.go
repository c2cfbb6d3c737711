package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfastdb/holdfast"
	"github.com/holdfastdb/holdfast/cmd/holdfast/internal/lockview"
	"github.com/holdfastdb/holdfast/cmd/holdfast/internal/meter"
)

func settleCommand(line *commandLine) *cobra.Command {
	var force, yes bool
	cmd := &cobra.Command{
		Use:   "settle DB",
		Short: "Bring a database that was taken over back to its plain name",
		Long: `Bring a database that was taken over back to its plain name, so that a stock
sqlite3 finds it again. Programs that open it with holdfast do not need this.

The database is copied, while nobody else uses it. What is assumed, and cannot be
checked: every process that ever lost this database is gone for good, and every
machine on which one hung or was cut off was rebooted. What such a process or machine
still does late, it does under the plain name.`,
		Example:           "  holdfast settle app.db\n  holdfast settle --yes app.db",
		Args:              oneDatabase,
		ValidArgsFunction: completeDatabase,
		RunE: line.onDatabase(func(ctx context.Context, dsn string) error {
			return line.settle(ctx, dsn, force, yes)
		}),
	}
	cmd.Flags().BoolVar(&force, "force", false, "also while a process that set out to remove the plain name was not heard of again")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

func (l *commandLine) settle(ctx context.Context, dsn string, force, yes bool) error {
	inv, err := holdfast.Inspect(ctx, dsn)
	switch {
	case err != nil:
		return err
	case inv.Damage != nil:
		return fmt.Errorf("settle: %w: see holdfast adopt", inv.Damage)
	}
	base := filepath.Base(inv.Path)
	if inv.Status.File == "" && inv.Status.Takeover == nil {
		_, err := fmt.Fprintf(l.stdout, "%s has its plain name already\n", base)
		return err
	}
	if !yes {
		if err := l.canAsk("settle"); err != nil {
			return err
		}
		fmt.Fprintf(l.stderr, `The database is %s now. It is copied to %s, and that becomes the database.
This assumes that every process that ever lost it is gone for good, and that every
machine on which one hung or was cut off was rebooted: late writes of theirs would
go to %[2]s.
`, file(inv), base)
		if err := l.confirm(ctx, "Go on?"); err != nil {
			return err
		}
	}
	slog.SetDefault(logger(l.stderr, slog.LevelError)) // it tells of the copy by itself
	began, size := time.Now(), int64(0)
	bar := meter.New(l.stderr, "copying")
	err = holdfast.Settle(ctx, dsn, force, func(copied, total int64) {
		size = total
		bar.Set(copied, total)
	})
	bar.End(err == nil)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return errors.New("interrupted: the database stays where it is")
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(l.stdout, "the database is %s again: %s copied from %s in %v\n",
		base, lockview.Bytes(size), file(inv), lockview.Round(time.Since(began)))
	return err
}

// file is the base name of the file that is the database.
func file(inv holdfast.Inventory) string {
	if inv.Status.File == "" {
		return filepath.Base(inv.Path)
	}
	return inv.Status.File
}
