package shell

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/holdfastdb/holdfast/cmd/holdfast/internal/render"
)

var outputCommands = []command{
	{name: ".headers", args: "on|off", help: "Show the names of the columns", min: 1, max: 1, takes: someSwitch, local: true,
		run: switchCommand(func(sh *Shell) *bool { return &sh.render.Headers })},
	{name: ".mode", args: "[MODE [TABLE]]", help: "Set the output mode: " + strings.Join(render.Modes(), " "), max: 2, takes: someMode, local: true, run: mode},
	{name: ".nullvalue", args: "TEXT", help: "Show TEXT for NULL", min: 1, max: 1, local: true, run: nullValue},
	{name: ".once", args: "FILE", help: "Write the result of the next input to FILE", min: 1, max: 1, takes: someFile, local: true, run: once},
	{name: ".output", args: "[FILE]", help: "Write results to FILE, or to the screen again", max: 1, takes: someFile, local: true, run: outputTo},
	{name: ".print", args: "TEXT...", help: "Print TEXT", max: -1, local: true, run: print},
	{name: ".separator", args: "COLUMN [ROW]", help: "Set what stands between columns and after rows", min: 1, max: 2, local: true, run: separator},
	{name: ".show", help: "Show the settings", local: true, run: showSettings},
	{name: ".width", args: "N...", help: "Set the widths of columns in table modes; 0: as needed", max: -1, local: true, run: width},
}

func mode(sh *Shell, _ context.Context, args []string) error {
	if len(args) == 0 {
		_, err := fmt.Fprintln(sh.out, "current output mode:", sh.render.Mode)
		return err
	}
	if len(args) == 2 {
		if args[0] != "insert" {
			return errors.New("only the mode insert takes a table")
		}
		sh.render.Table = args[1]
	}
	return sh.render.SetMode(args[0])
}

func nullValue(sh *Shell, _ context.Context, args []string) error {
	sh.render.Null = args[0]
	return nil
}

func once(sh *Shell, _ context.Context, args []string) error {
	if err := noPipe(args[0]); err != nil {
		return err
	}
	return sh.out.redirect(args[0], true)
}

func outputTo(sh *Shell, _ context.Context, args []string) error {
	if len(args) == 0 || args[0] == "stdout" || args[0] == "" {
		return sh.out.close()
	}
	if err := noPipe(args[0]); err != nil {
		return err
	}
	return sh.out.redirect(args[0], false)
}

func noPipe(name string) error {
	if strings.HasPrefix(name, "|") {
		return errors.New("output to a program is not supported: pipe the output of the shell instead")
	}
	return nil
}

func print(sh *Shell, _ context.Context, args []string) error {
	_, err := fmt.Fprintln(sh.out, strings.Join(args, " "))
	return err
}

func separator(sh *Shell, _ context.Context, args []string) error {
	sh.render.Separator = args[0]
	if len(args) == 2 {
		sh.render.RowEnd = args[1]
	}
	return nil
}

func width(sh *Shell, _ context.Context, args []string) error {
	var widths []int
	for _, arg := range args {
		n, err := strconv.Atoi(arg)
		if err != nil || n < 0 {
			return fmt.Errorf("%q is not a width: use a whole number, 0 for as wide as needed", arg)
		}
		widths = append(widths, n)
	}
	sh.render.Widths = widths
	return nil
}

func showSettings(sh *Shell, _ context.Context, _ []string) error {
	word := map[bool]string{true: "on", false: "off"}
	to := "stdout"
	if sh.out.file != nil {
		to = sh.out.file.Name()
	}
	for _, line := range [][2]string{
		{"bail", word[sh.set.bail]},
		{"changes", word[sh.set.changes]},
		{"database", sh.session.target.DSN},
		{"echo", word[sh.set.echo]},
		{"headers", word[sh.render.Headers]},
		{"mode", sh.render.Mode},
		{"nullvalue", strconv.Quote(sh.render.Null)},
		{"output", to},
		{"row end", strconv.Quote(sh.render.RowEnd)},
		{"separator", strconv.Quote(sh.render.Separator)},
		{"timeout", sh.session.timeout.String()},
		{"timer", word[sh.set.timer]},
		{"width", strings.Trim(fmt.Sprint(sh.render.Widths), "[]")},
	} {
		if _, err := fmt.Fprintf(sh.out, "%12s: %s\n", line[0], line[1]); err != nil {
			return err
		}
	}
	return nil
}
