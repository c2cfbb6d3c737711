package main

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/holdfastdb/holdfast/cmd/holdfast/internal/scaffold"
)

func pluginNewCommand(line *commandLine) *cobra.Command {
	var kind scaffold.Kind
	cmd := &cobra.Command{
		Use:   "new DIR",
		Short: "Write the beginning of a plugin",
		Long: `Write the beginning of a plugin into a new directory: one that builds at once,
works, and can be checked.

In Go it builds with nothing but Go, without a network: the SDK is written beside it.
In C it builds with clang, lld and wasi-libc. A lock is kept in a key of an HTTP server
that has ETag and If-Match, and a server to try that with is written, too; a file
system passes files through to a directory.`,
		Example: "  holdfast plugin new mylock\n  holdfast plugin new --lang c mylock\n  holdfast plugin new --kind fs myfiles",
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) == 0:
				return errors.New("plugin new: the argument DIR is missing: give the name of a new directory")
			case len(args) > 1:
				return fmt.Errorf("plugin new: %q is one argument too many: give one directory", args[1])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := line.noLock(cmd); err != nil {
				return err
			}
			name, err := scaffold.Write(args[0], kind)
			if errors.Is(err, scaffold.ErrKind) {
				return usageError{fmt.Errorf("plugin new: %w", err)}
			}
			if err != nil {
				return fmt.Errorf("plugin new: %w", err)
			}
			_, err = fmt.Fprintf(line.stdout, "%s is a plugin now. Next:\n\n  cd %s\n  sh build.sh\n  holdfast plugin info %s.wasm\n\nREADME.md there says how to check and use it.\n",
				filepath.Clean(args[0]), filepath.Clean(args[0]), name)
			return err
		},
	}
	cmd.Flags().StringVar(&kind.Lang, "lang", "go", "language: go or c")
	cmd.Flags().StringVar(&kind.Kind, "kind", "lock", "what it brings: lock or fs")
	return cmd
}
