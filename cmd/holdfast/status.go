package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfastdb/holdfast"
	"github.com/holdfastdb/holdfast/cmd/holdfast/internal/lockview"
	"github.com/holdfastdb/holdfast/cmd/holdfast/internal/terminal"
	"github.com/holdfastdb/holdfast/locking"
)

// watchEvery is how often --watch looks.
const watchEvery = 500 * time.Millisecond

func statusCommand(line *commandLine) *cobra.Command {
	var asJSON, watch bool
	cmd := &cobra.Command{
		Use:   "status DB",
		Short: "Show who holds a database and who waits",
		Long: `Show who holds a database and who waits, what the locks promise, which file is
the database, and how far a takeover is.

It takes no lock and creates nothing. Ages and times to expiry compare the clocks
of other hosts with ours: they are for people.`,
		Example:           "  holdfast status app.db\n  holdfast status app.db --json\n  holdfast status app.db --watch",
		Args:              oneDatabase,
		ValidArgsFunction: completeDatabase,
		RunE: func(cmd *cobra.Command, args []string) error {
			db, err := line.database(args[0], "")
			if err != nil {
				return err
			}
			look := func(ctx context.Context) (locking.Status, error) {
				status, err := holdfast.Status(ctx, db.DSN)
				for i, note := range status.Notes {
					status.Notes[i] = line.withCommand(note)
				}
				return status, err
			}
			if watch {
				ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
				defer stop()
				return watchStatus(ctx, line.stdout, asJSON, look)
			}
			status, err := look(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return lockview.WriteJSON(line.stdout, status)
			}
			return lockview.Write(line.stdout, status)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object; durations are in milliseconds")
	cmd.Flags().BoolVar(&watch, "watch", false, "go on until Ctrl-C: redraw on a terminal, else print a line for each change")
	return cmd
}

// watchStatus shows a status again and again until ctx ends, which is no error.
func watchStatus(ctx context.Context, out io.Writer, asJSON bool, look func(context.Context) (locking.Status, error)) error {
	show := lineByLine(out, asJSON)
	if region := terminal.NewRegion(out); region != nil && !asJSON {
		show = func(s locking.Status) error {
			var b strings.Builder
			if err := lockview.Write(&b, s); err != nil {
				return err
			}
			return region.Draw(b.String())
		}
	}
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		status, err := look(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if err := show(status); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// lineByLine prints a line for each status that differs from the one before.
func lineByLine(out io.Writer, asJSON bool) func(locking.Status) error {
	last := ""
	return func(s locking.Status) error {
		now := lockview.Line(s)
		if now == last {
			return nil
		}
		last = now
		if asJSON {
			return lockview.WriteJSONLine(out, s)
		}
		_, err := io.WriteString(out, time.Now().Format(time.TimeOnly)+" "+now+"\n")
		return err
	}
}
