package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/holdfastdb/holdfast/cmd/holdfast/internal/terminal"
)

// errNo: whoever was asked did not say yes.
var errNo = errors.New("nothing was changed")

// onDatabase makes a command of run, for the database that its argument names. Its
// context ends when the program is told to.
func (l *commandLine) onDatabase(run func(ctx context.Context, dsn string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		db, err := l.database(args[0], "")
		if err != nil {
			return err
		}
		ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		return run(ctx, db.DSN)
	}
}

// canAsk returns a usage error if there is nobody to ask.
func (l *commandLine) canAsk(command string) error {
	if terminal.Is(l.stdin) {
		return nil
	}
	return usageError{fmt.Errorf("%s asks before it does anything, and there is no terminal to ask at: give --yes", command)}
}

// confirm asks a question at the terminal.
func (l *commandLine) confirm(ctx context.Context, question string) error {
	fmt.Fprintf(l.stderr, "%s [y/N] ", question)
	answer := make(chan string, 1)
	go func() { // a read cannot be interrupted
		line, err := bufio.NewReader(l.stdin).ReadString('\n')
		if err == io.EOF {
			fmt.Fprintln(l.stderr)
		}
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case said := <-answer:
		if said == "y" || said == "yes" {
			return nil
		}
	case <-ctx.Done():
		fmt.Fprintln(l.stderr)
	}
	return errNo
}
