package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/holdfastdb/holdfast/cmd/holdfast/internal/render"
	"github.com/holdfastdb/holdfast/cmd/holdfast/internal/shell"
	"github.com/holdfastdb/holdfast/cmd/holdfast/internal/target"
	"github.com/holdfastdb/holdfast/cmd/holdfast/internal/terminal"
)

// shellFlags are the flags of the shell alone.
type shellFlags struct {
	mode, headers  string
	bail, readOnly bool
}

func shellCommand(line *commandLine) *cobra.Command {
	var flags shellFlags
	cmd := &cobra.Command{
		Use:   "shell DB [SQL...]",
		Short: "Run SQL on a database, typed, given or piped",
		Long: `Run SQL on a database in the manner of sqlite3.

With SQL, each argument is run as SQL or as a dot-command, up to the first error.
Without, and with a terminal, the shell is interactive: type .help. Otherwise
standard input is a script, which goes on after an error unless --bail is given.
The exit code is 1 if anything failed.

A shell that waits for input gives a database in WAL mode up to another process that
asks, and connects anew for the next input: last_insert_rowid(), changes() and
total_changes() begin at 0 then.`,
		Example: "  holdfast shell app.db\n" +
			"  holdfast shell app.db --mode json 'SELECT * FROM t'\n" +
			"  holdfast shell app.db .dump | sqlite3 copy.db",
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completeDatabase,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{oneDatabase(cmd, args)}
			}
			opts, err := line.shellOptions(flags, args[0], args[1:])
			if err != nil {
				return err
			}
			return runShell(cmd.Context(), opts)
		},
	}
	cmd.Flags().StringVar(&flags.mode, "mode", "", "output mode (default box on a terminal, list otherwise)")
	cmd.Flags().StringVar(&flags.headers, "headers", "", "on or off: show the names of the columns")
	cmd.Flags().BoolVar(&flags.bail, "bail", false, "stop a script at the first error")
	cmd.Flags().BoolVar(&flags.readOnly, "readonly", false, "open the database read-only")
	cmd.RegisterFlagCompletionFunc("mode", cobra.FixedCompletions(render.Modes(), cobra.ShellCompDirectiveNoFileComp))
	cmd.RegisterFlagCompletionFunc("headers", cobra.FixedCompletions([]string{"on", "off"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (l *commandLine) shellOptions(flags shellFlags, db string, statements []string) (shell.Options, error) {
	opts := shell.Options{
		Flags: target.Flags{Lock: l.lock, TTL: l.ttl},
		Mode:  flags.mode, Headers: flags.headers, Bail: flags.bail,
		In: l.stdin, Out: l.stdout, Err: l.stderr,
		Table: terminal.Is(l.stdout),
	}
	if len(statements) > 0 {
		opts.Statements = statements
	}
	if flags.readOnly {
		opts.Flags.Mode = "ro"
	}
	var err error
	opts.Target, err = l.database(db, opts.Flags.Mode)
	return opts, err
}

// completeDatabase has the first argument completed as a file name.
func completeDatabase(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return nil, cobra.ShellCompDirectiveDefault
}

// runShell connects the shell to the terminal and the signals. Ctrl-C ends what
// runs, and never the program; being told to end closes the database first.
func runShell(ctx context.Context, opts shell.Options) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt)
	defer signal.Stop(interrupts)
	opts.Interrupts = interrupts
	if opts.Statements == nil && terminal.Is(opts.In) {
		if terminal.Is(opts.Out) && opts.In == os.Stdin && !terminal.IsDumb() {
			opts.Editor = shell.NewLineEditor()
		} else {
			opts.Editor = shell.NewPlainEditor(opts.In, opts.Err, interrupts)
		}
	}
	err := shell.Run(ctx, opts)
	if errors.Is(err, shell.ErrUsage) {
		return usageError{err}
	}
	return err
}
