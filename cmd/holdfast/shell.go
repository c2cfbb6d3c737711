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

func shellCommand(line *commandLine) *cobra.Command {
	var mode, headers string
	var bail, readOnly bool
	cmd := &cobra.Command{
		Use:   "shell DB [SQL...]",
		Short: "Run SQL on a database, typed, given or piped",
		Long: `Run SQL on a database in the manner of sqlite3.

With SQL, each argument is run as SQL or as a dot-command, up to the first error.
Without, and with a terminal, the shell is interactive: type .help. Otherwise
standard input is a script, which goes on after an error unless --bail is given.
The exit code is 1 if anything failed.`,
		Example: "  holdfast shell app.db\n" +
			"  holdfast shell app.db --mode json 'SELECT * FROM t'\n" +
			"  holdfast shell app.db .dump | sqlite3 copy.db",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return oneDatabase(cmd, args)
			}
			return nil
		},
		ValidArgsFunction: completeDatabase,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts := shell.Options{
				Flags: target.Flags{Lock: line.lock, TTL: line.ttl},
				Mode:  mode, Headers: headers, Bail: bail,
				In: line.stdin, Out: line.stdout, Err: line.stderr,
				Table: terminal.Is(line.stdout),
			}
			if len(args) > 1 {
				opts.Statements = args[1:]
			}
			open := ""
			if readOnly {
				open = "ro"
				opts.Flags.Mode = "ro"
			}
			var err error
			if opts.Target, err = line.database(args[0], open); err != nil {
				return err
			}
			return runShell(cmd.Context(), opts)
		},
	}
	cmd.Flags().StringVar(&mode, "mode", "", "output mode (default box on a terminal, list otherwise)")
	cmd.Flags().StringVar(&headers, "headers", "", "on or off: show the names of the columns")
	cmd.Flags().BoolVar(&bail, "bail", false, "stop a script at the first error")
	cmd.Flags().BoolVar(&readOnly, "readonly", false, "open the database read-only")
	cmd.RegisterFlagCompletionFunc("mode", cobra.FixedCompletions(render.Modes(), cobra.ShellCompDirectiveNoFileComp))
	cmd.RegisterFlagCompletionFunc("headers", cobra.FixedCompletions([]string{"on", "off"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
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
