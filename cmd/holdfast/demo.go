package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfastdb/holdfast/cmd/holdfast/internal/demo"
)

func demoCommand(line *commandLine) *cobra.Command {
	opts := demo.Options{Out: line.stdout, Lock: "leasefile", TTL: "2s"}
	var seconds float64
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Kill and freeze writers of one database, and count what is there",
		Long: `Three processes write to one database through a lease, without any lock of the
operating system. One is killed in the middle of a transaction. One is frozen in
the middle of a transaction until its lease has expired, and woken up with a clock
that stood still meanwhile: it commits in its old belief, and is refused. In the end
every acknowledged row must be there exactly once.`,
		Example:           "  holdfast demo\n  holdfast demo --dir /mnt/share --ttl 5s --seconds 60",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if seconds <= 0 || seconds > 24*60*60 {
				return usageError{errors.New("--seconds must be more than 0, and at most a day")}
			}
			opts.Length = time.Duration(seconds * float64(time.Second))
			if line.lock != "" {
				opts.Lock = line.lock
			}
			if line.ttl != "" {
				opts.TTL = line.ttl
			}
			return runDemo(cmd.Context(), line, opts)
		},
	}
	cmd.Flags().StringVar(&opts.Dir, "dir", "", "make the database in a new directory in this one")
	cmd.Flags().Float64Var(&seconds, "seconds", 12, "how long they write, at least")
	cmd.Flags().BoolVar(&opts.Keep, "keep", false, "keep the files")
	return cmd
}

func runDemo(ctx context.Context, line *commandLine, opts demo.Options) error {
	check := *line
	check.lock, check.ttl = opts.Lock, opts.TTL
	if _, err := check.database("x.db", ""); err != nil {
		return err
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	opts.Writer = []string{exe, writerName}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	err = demo.Run(ctx, opts)
	switch {
	case errors.Is(err, demo.ErrNoLease):
		return usageError{err}
	case ctx.Err() != nil:
		return errors.New("demo: interrupted; all its processes are gone")
	}
	return err
}

// writerName is the hidden command that the demonstration runs in its processes.
const writerName = "demo-writer"

func writerCommand(line *commandLine) *cobra.Command {
	var role demo.Role
	cmd := &cobra.Command{
		Use:    writerName,
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return demo.Write(cmd.Context(), role, line.stdin, line.stdout)
		},
	}
	cmd.Flags().StringVar(&role.DSN, "dsn", "", "data source name of the database")
	cmd.Flags().StringVar(&role.Name, "name", "", "name of the writer")
	cmd.Flags().StringVar(&role.Lock, "stopped-clock", "", "URL of the lock, whose holder shall not notice that it stood still")
	cmd.MarkFlagRequired("dsn")
	cmd.MarkFlagRequired("name")
	return cmd
}
