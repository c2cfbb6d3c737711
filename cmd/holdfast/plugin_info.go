package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/holdfastdb/holdfast/wasmplugins"
)

func pluginInfoCommand(line *commandLine) *cobra.Command {
	return &cobra.Command{
		Use:   "info FILE",
		Short: "Show what a plugin is, and what it wants",
		Long: `Show what a plugin is, and what it wants.

It is started with no grant and no parameter, and asked about itself; it is not opened.
What it says of itself are its own words. Size, hash, exports and imports are facts.`,
		Example: "  holdfast plugin info mylock.wasm",
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) == 0:
				return fmt.Errorf("plugin info: %w", errNoFile)
			case len(args) > 1:
				return fmt.Errorf("plugin info: %q is one argument too many: give one file", args[1])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := line.noLock(cmd); err != nil {
				return err
			}
			o, err := pluginURL(args[0], nil)
			if err != nil {
				return usageError{err}
			}
			p, err := wasmplugins.Load(cmd.Context(), wasmplugins.Options{Path: o.Path, SHA256: o.SHA256})
			if err != nil {
				return err
			}
			defer p.Close()
			d, err := p.Describe(cmd.Context())
			_, failed := fmt.Fprintln(line.stdout, description(d, err == nil))
			return errors.Join(err, failed)
		},
	}
}

// description is the table. Without what it told there is only what is known anyway.
func description(d wasmplugins.Description, told bool) string {
	t := newPluginTable(0, 88)
	row := func(name string, values ...string) {
		for _, v := range values {
			t.AppendRow(table.Row{name, v})
			name = ""
		}
	}
	own := func(name, value string) {
		if value == "" {
			value = "(it does not say)"
		}
		row(name, value)
	}
	if told {
		own("name", d.Name)
		own("version", d.Version)
		own("about", d.About)
	}
	row("brings", brings(d))
	if told {
		row("interface", versionsText(d.Oldest, d.Newest))
		row("parameters", d.Parameters...)
		row("wants", d.Wants...)
	}
	row("exports", strings.Join(d.Exports, " "))
	row("imports", d.Imports...)
	row("size", fmt.Sprintf("%d bytes", d.Size))
	row("sha256", d.SHA256)
	if d.Memory > 0 {
		row("memory", fmt.Sprintf("%.1f MiB when it begins", float64(d.Memory)/(1<<20)))
	}
	return t.Render()
}

func brings(d wasmplugins.Description) string {
	switch {
	case d.Lock && d.FS:
		return "a lock and a file system"
	case d.FS:
		return "a file system"
	}
	return "a lock"
}

func versionsText(oldest, newest uint32) string {
	if oldest == newest {
		return fmt.Sprintf("version %d", newest)
	}
	return fmt.Sprintf("versions %d to %d", oldest, newest)
}
