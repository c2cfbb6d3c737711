package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func versionCommand(line *commandLine) *cobra.Command {
	return &cobra.Command{
		Use:               "version",
		Short:             "Print the versions of holdfast, go-sqlite3 and Go",
		Example:           "  holdfast version",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error {
			own, sqlite := versions()
			_, err := fmt.Fprintf(line.stdout, "holdfast %s, go-sqlite3 %s, %s %s/%s\n", own, sqlite, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}

// versions are those that the binary was built from.
func versions() (own, sqlite string) {
	own, sqlite = "(devel)", "(unknown)"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return own, sqlite
	}
	if info.Main.Version != "" {
		own = info.Main.Version
	}
	for _, module := range info.Deps {
		if module.Path == "github.com/ncruces/go-sqlite3" {
			sqlite = module.Version
		}
	}
	return own, sqlite
}
