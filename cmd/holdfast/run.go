package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/holdfastdb/holdfast/cmd/holdfast/internal/shell"
	"github.com/holdfastdb/holdfast/cmd/holdfast/internal/target"
)

// The exit codes.
const (
	done   = 0
	failed = 1
	misuse = 2 // a wrong flag, command or argument
)

// A usageError is the mistake of whoever typed the command.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// A command line is what all commands share.
type commandLine struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	lock, ttl      string

	typed string        // the database, as it was named
	db    target.Target // what that is
}

// run runs the program and returns its exit code. Results go to stdout and
// everything else to stderr.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	// Without this, a closed pipe would kill the process before it gives up its
	// locks: the write fails instead. Children inherit nothing of it.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	slog.SetDefault(logger(stderr, slog.LevelWarn))
	line := &commandLine{stdin: stdin, stdout: stdout, stderr: stderr}
	root, started := rootCommand(line)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return done
	}
	if text := message(err); text != "" {
		fmt.Fprintln(stderr, "holdfast: "+line.withCommand(text))
	}
	if !*started || errors.As(err, new(usageError)) {
		return misuse
	}
	return failed
}

// message is an error in one line, or "" if it was told or nobody listens.
func message(err error) string {
	switch {
	case err == shell.ErrFailed, errors.Is(err, syscall.EPIPE), err == shell.ErrOutput:
		return "" // whatever else keeps output from being written, such as a full disk, is told
	}
	return shell.Explain(err)
}

// logger logs what a person at a terminal should know.
func logger(w io.Writer, level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{
		Level: level,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
}

// rootCommand returns the command line, and whether a command of it began: what
// fails before is a usage error.
func rootCommand(line *commandLine) (root *cobra.Command, started *bool) {
	started = new(bool)
	root = &cobra.Command{
		Use:   "holdfast COMMAND",
		Short: "SQLite databases shared between processes and hosts",
		Long: `SQLite databases shared between processes and hosts.

A database is named by its path or by a data source name (file:...). Which lock
guards it is chosen by --lock, by the lock parameter of the name, or else by the
environment variable HOLDFAST_LOCK; the default suits the file system. A lease is
fenced unless the name says fence=off.`,
		Example:               "  holdfast shell app.db\n  holdfast status app.db\n  holdfast demo",
		SilenceErrors:         true,
		SilenceUsage:          true,
		Args:                  noSuchCommand,
		PersistentPreRun:      func(*cobra.Command, []string) { *started = true },
		RunE:                  func(cmd *cobra.Command, _ []string) error { return noCommand(cmd) },
		DisableFlagsInUseLine: true,
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w: %s --help lists the flags", err, cmd.CommandPath())
	})
	root.PersistentFlags().StringVar(&line.lock, "lock", "", "URL of the lock: auto, flock, leasefile, leasefile:///dir, k8s://NAMESPACE/NAME, s3://BUCKET/KEY, wasm:///FILE")
	root.PersistentFlags().StringVar(&line.ttl, "ttl", "", "how long a lease outlives the silence of its holder (default 15s)")
	root.AddCommand(shellCommand(line), statusCommand(line), settleCommand(line), adoptCommand(line), demoCommand(line), pluginCommand(line), writerCommand(line), versionCommand(line))
	return root, started
}

func noCommand(cmd *cobra.Command) error {
	cmd.SetOut(cmd.ErrOrStderr())
	cmd.Help()
	return usageError{errors.New("a command is missing")}
}

func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return fmt.Errorf("no command %q: did you mean %s?", args[0], near[0])
	}
	return fmt.Errorf("no command %q: holdfast --help lists them", args[0])
}

// oneDatabase wants exactly the argument DB.
func oneDatabase(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return fmt.Errorf("%s: the argument DB is missing: give the path of a database", cmd.Name())
	case len(args) > 1:
		return fmt.Errorf("%s: %q is one argument too many: give one database, with quotes around its name if need be", cmd.Name(), args[1])
	}
	return nil
}

// database returns the database that an argument and the flags name.
func (l *commandLine) database(db, mode string) (target.Target, error) {
	t, err := target.Parse(db, target.Flags{Lock: l.lock, TTL: l.ttl, Mode: mode})
	if err != nil {
		return t, usageError{err}
	}
	l.typed, l.db = db, t
	return t, nil
}
