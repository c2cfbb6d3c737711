package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/holdfastdb/holdfast/cmd/holdfast/internal/plugincheck"
	"github.com/holdfastdb/holdfast/cmd/holdfast/internal/terminal"
	"github.com/holdfastdb/holdfast/wasmplugins"
)

const checkExample = "  holdfast plugin check mylock.wasm url=http://127.0.0.1:8080/check-{} --allow http://127.0.0.1:8080"

// pluginFlags are the parameters of the host, as flags.
var pluginFlags = []struct{ name, what string }{
	{"allow", "`ORIGIN` that it may send HTTP requests to; may be repeated"},
	{"dir", "directory `PATH` that it may use; may be repeated"},
	{"rodir", "directory `PATH` that it may read; may be repeated"},
	{"secret", "`NAME:VARIABLE`: its parameter NAME is the value of an environment variable; may be repeated"},
	{"memory", "`SIZE` that an instance may have (default 64MB)"},
	{"limit", "`DURATION` of one call (default 5s, and 30s of a plugin that is a file system alone)"},
	{"sha256", "`HEX` of the file, which must not be another"},
}

// databaseFlag is the flag that names the database that the plugin is told.
const databaseFlag = "database"

func pluginCheckCommand(line *commandLine) *cobra.Command {
	var o plugincheck.Options
	flags := map[string]*[]string{}
	cmd := &cobra.Command{
		Use:   "check FILE [NAME=VALUE ...]",
		Short: "Try whether a plugin keeps its promises",
		Long: `Try whether a plugin keeps the promises of a lock or a file system, and what else its
host must be able to rely on: against the real server, in real time. FILE is a .wasm
file, or a whole URL as lock= takes it (wasm:///FILE?NAME=VALUE&allow=...). What follows
are the plugin's own parameters. The exit code is 0 if no check failed.

Each check needs a cell of its own. {} in the value of a parameter stands for a random
name, another for each check: put it where the name of the cell is. A lock that has no
parameter for that, since it names the cell after the database, needs
--database=/check-{}.db. Without {} in any of them, nor in a granted directory, nothing
is done.

A file system is tried in the directory of --database, which is / unless it says
otherwise. A directory with {} in its name that --dir grants is made for each check, and
removed after it with all that is in it.

To see what the plugin does in doubt, two checks lose the answer to the HTTP request by
which a swap takes effect, as another opener sees it. If there was no such request the
reply of the plugin itself is lost.

Two checks need the cell to be deleted behind the plugin's back: --wipe gives a command
for that, which the shell runs with {} replaced. Without it they say "not tried", and
are no failure. With it the cells are also deleted after each check; without, they stay.`,
		Example: checkExample + "\n" +
			checkExample + " --wipe 'curl -sX DELETE http://127.0.0.1:8080/check-{}'\n" +
			"  holdfast plugin check cipherfs.wasm root=$PWD/check-{} --dir $PWD/check-{} --secret key:KEY",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return fmt.Errorf("plugin check: %w", errNoFile)
			}
			for _, arg := range args[1:] {
				if name, _, ok := strings.Cut(arg, "="); !ok || name == "" {
					return fmt.Errorf("plugin check: %q is no NAME=VALUE", arg)
				}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := line.noLock(cmd); err != nil {
				return err
			}
			var err error
			if o.Plugin, err = checkedPlugin(args, flags); err != nil {
				return usageError{err}
			}
			if o.Bound <= 0 {
				return usageError{errors.New("--timeout must be more than 0")}
			}
			if !namesCells(o, cmd.Flags().Changed(databaseFlag)) {
				return usageError{errors.New("plugin check: no parameter has {} in it, and each check needs a cell of its own: write {} into the parameter that names the cell, as in key=check-{}, or add --database=/check-{}.db if it is named after the database")}
			}
			return checkPlugin(cmd.Context(), line, o)
		},
	}
	for _, f := range pluginFlags {
		flags[f.name] = cmd.Flags().StringArray(f.name, nil, f.what)
	}
	cmd.Flags().StringVar(&o.Database, databaseFlag, "/check-{}.db", "`PATH` of the database that the plugin is told; nothing is there")
	cmd.Flags().StringArrayVar(&o.Only, "only", nil, "`NAME` of a check, of those to try; may be repeated (default all)")
	cmd.Flags().StringVar(&o.Wipe, "wipe", "", "`COMMAND` that deletes the cell")
	cmd.Flags().DurationVar(&o.Bound, "timeout", time.Minute, "of each check")
	return cmd
}

// checkedPlugin makes options of the arguments and the flags.
func checkedPlugin(args []string, flags map[string]*[]string) (wasmplugins.Options, error) {
	values := url.Values{}
	for name, given := range flags {
		if len(*given) > 0 {
			values[name] = slices.Clone(*given)
		}
	}
	for _, arg := range args[1:] {
		name, value, _ := strings.Cut(arg, "=")
		values.Add(name, value)
	}
	o, err := pluginURL(args[0], values)
	if err != nil {
		return o, err
	}
	o.Log = func(level slog.Level, text string) {
		slog.Log(context.Background(), level, text, "plugin", o.Path)
	}
	return o, nil
}

// namesCells reports whether each check gets a cell of its own.
func namesCells(o plugincheck.Options, databaseGiven bool) bool {
	if databaseGiven && strings.Contains(o.Database, plugincheck.Fresh) {
		return true
	}
	for _, values := range o.Plugin.Params {
		if slices.ContainsFunc(values, func(v string) bool { return strings.Contains(v, plugincheck.Fresh) }) {
			return true
		}
	}
	return slices.ContainsFunc(o.Plugin.Dirs, func(d wasmplugins.Dir) bool { return strings.Contains(d.Path, plugincheck.Fresh) })
}

func checkPlugin(ctx context.Context, line *commandLine, o plugincheck.Options) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	if region := terminal.NewRegion(line.stderr); region != nil {
		o.Begun = func(name string, n, of int) { region.Draw(fmt.Sprintf("%d of %d: %s", n, of, name)) }
		defer region.Draw("")
	}
	results, err := plugincheck.Run(ctx, o)
	if len(results) > 0 {
		if _, failed := fmt.Fprintln(line.stdout, verdicts(results)); failed != nil {
			return failed
		}
	}
	switch broken := plugincheck.Broken(results); {
	case ctx.Err() != nil:
		return errors.New("plugin check: interrupted")
	case errors.Is(err, plugincheck.ErrNoCheck):
		return usageError{err}
	case err != nil:
		return err
	case broken > 0:
		return fmt.Errorf("plugin check: %d of %d checks failed", broken, len(results))
	}
	return nil
}

// verdicts is the table of results.
func verdicts(results []plugincheck.Result) string {
	t := newPluginTable(40, 0, 0, 60)
	t.AppendHeader(table.Row{"check", "result", "time", "remark"})
	for _, r := range results {
		t.AppendRow(table.Row{r.Check, string(r.Outcome), shortTime(r.Took), oneLine(r.Remark)})
	}
	return t.Render()
}

func shortTime(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

// oneLine is a remark without what would steer a terminal.
func oneLine(remark string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || 0x7f <= r && r <= 0x9f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(remark, "?"))
}
