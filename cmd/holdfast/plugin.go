package main

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/holdfastdb/holdfast/wasmplugins"
)

func pluginCommand(line *commandLine) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "plugin COMMAND",
		Short: "Begin, look at and check a plugin",
		Long: `Begin, look at and check a plugin: a WebAssembly module that brings the lock of a
database, or its file system.`,
		Example: "  holdfast plugin new mylock\n  holdfast plugin info mylock.wasm\n" + checkExample,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("plugin: no command %q: use new, info or check", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return noCommand(cmd) },
	}
	cmd.AddCommand(pluginNewCommand(line), pluginInfoCommand(line), pluginCheckCommand(line))
	return cmd
}

// noLock refuses the flags of all commands that say nothing here.
func (l *commandLine) noLock(cmd *cobra.Command) error {
	if l.lock != "" || l.ttl != "" {
		return usageError{fmt.Errorf("plugin %s: --lock and --ttl mean nothing here: leave them out", cmd.Name())}
	}
	return nil
}

// pluginURL makes a URL of what names a plugin, which is a file or a URL, and of parameters.
func pluginURL(file string, values url.Values) (wasmplugins.Options, error) {
	if !strings.HasPrefix(file, wasmplugins.Scheme+":") {
		abs, err := filepath.Abs(file)
		if err != nil {
			return wasmplugins.Options{}, err
		}
		u := url.URL{Scheme: wasmplugins.Scheme, Path: "/" + strings.TrimPrefix(filepath.ToSlash(abs), "/"), RawQuery: values.Encode()}
		return wasmplugins.FromURL(&u)
	}
	u, err := url.Parse(file)
	if err != nil {
		return wasmplugins.Options{}, err
	}
	own, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return wasmplugins.Options{}, err
	}
	for name, more := range values {
		own[name] = append(own[name], more...)
	}
	u.RawQuery = own.Encode()
	return wasmplugins.FromURL(u)
}

var errNoFile = errors.New("the argument FILE is missing: give the path of a plugin, a .wasm file")

// newPluginTable returns a table in the style of the others, whose columns wrap at some widths,
// or not at 0.
func newPluginTable(widths ...int) table.Writer {
	t := table.NewWriter()
	t.SetStyle(table.Style{Box: table.StyleBoxLight, Options: table.OptionsDefault})
	var columns []table.ColumnConfig
	for i, width := range widths {
		if width > 0 {
			columns = append(columns, table.ColumnConfig{Number: i + 1, WidthMax: width, WidthMaxEnforcer: text.WrapSoft})
		}
	}
	t.SetColumnConfigs(columns)
	return t
}
