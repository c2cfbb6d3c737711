package shell

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A command is a dot-command.
type command struct {
	name     string
	args     string // as help shows them
	help     string // one line
	min, max int    // how many arguments; max < 0: any number
	takes    kind   // what its arguments are, for completion
	local    bool   // needs no database
	run      func(*Shell, context.Context, []string) error
}

// A kind says what can be completed.
type kind uint8

const (
	nothing kind = iota
	someFile
	someTable
	someMode
	someSwitch
	someCommand
)

// commands are all dot-commands, sorted by name. It is filled by init, since
// .help reads it.
var commands []command

func init() {
	for _, group := range [][]command{fileCommands, outputCommands, schemaCommands, sessionCommands} {
		commands = append(commands, group...)
	}
	slices.SortFunc(commands, func(a, b command) int { return strings.Compare(a.name, b.name) })
}

// aliases are other names that a user of sqlite3 may type.
var aliases = map[string]string{
	".indices": ".indexes",
	".header":  ".headers",
	".save":    ".backup",
}

// command runs one line that begins with a dot.
func (sh *Shell) command(ctx context.Context, line string) error {
	args, err := words(line)
	if err != nil {
		return err
	}
	c, err := findCommand(args[0])
	if err != nil {
		return err
	}
	args = args[1:]
	if len(args) < c.min || c.max >= 0 && len(args) > c.max {
		return fmt.Errorf("usage: %s", strings.TrimSpace(c.name+" "+c.args))
	}
	if !c.local {
		if err := sh.session.acquire(ctx); err != nil {
			return err
		}
	}
	return c.run(sh, ctx, args)
}

// findCommand finds a command by its name or the beginning of it, if there is
// only one such.
func findCommand(name string) (*command, error) {
	full := strings.ToLower(name)
	if other, ok := aliases[full]; ok {
		full = other
	}
	var found []string
	for i := range commands {
		if commands[i].name == full {
			return &commands[i], nil
		}
		if len(full) > 1 && strings.HasPrefix(commands[i].name, full) {
			found = append(found, commands[i].name)
		}
	}
	switch {
	case len(found) == 1:
		return findCommand(found[0])
	case len(found) > 1:
		return nil, fmt.Errorf("%s may be %s", name, strings.Join(found, ", "))
	}
	if near := nearestCommand(full); near != "" {
		return nil, fmt.Errorf("no command %s: did you mean %s?", name, near)
	}
	return nil, fmt.Errorf("no command %s: .help lists them", name)
}

func nearestCommand(name string) string {
	best, least := "", 3
	for _, c := range commands {
		if d := distance(name, c.name); d < least {
			best, least = c.name, d
		}
	}
	return best
}

// distance counts how many letters to insert, delete or replace, or neighbours to
// exchange, between two words.
func distance(a, b string) int {
	before, last, next := []int(nil), make([]int, len(b)+1), []int(nil)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		next = make([]int, len(b)+1)
		next[0] = i + 1
		for j := range len(b) {
			next[j+1] = min(last[j+1], next[j]) + 1
			if a[i] == b[j] {
				next[j+1] = min(next[j+1], last[j])
			} else {
				next[j+1] = min(next[j+1], last[j]+1)
			}
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, last = last, next
	}
	return last[len(b)]
}

var sessionCommands = []command{
	{name: ".bail", args: "on|off", help: "Stop a script at the first error", min: 1, max: 1, takes: someSwitch, local: true,
		run: switchCommand(func(sh *Shell) *bool { return &sh.set.bail })},
	{name: ".changes", args: "on|off", help: "Show how many rows each statement changed", min: 1, max: 1, takes: someSwitch, local: true,
		run: switchCommand(func(sh *Shell) *bool { return &sh.set.changes })},
	{name: ".echo", args: "on|off", help: "Show each line of a script before it runs", min: 1, max: 1, takes: someSwitch, local: true,
		run: switchCommand(func(sh *Shell) *bool { return &sh.set.echo })},
	{name: ".exit", help: "Leave; an open transaction is rolled back", local: true, run: quit},
	{name: ".help", args: "[COMMAND]", help: "Show the commands", max: 1, takes: someCommand, local: true, run: help},
	{name: ".lock", help: "Show who holds the database and who waits", run: showLock},
	{name: ".quit", help: "Leave; an open transaction is rolled back", local: true, run: quit},
	{name: ".timeout", args: "MS", help: "Wait this many milliseconds for other processes", min: 1, max: 1, run: timeout},
	{name: ".timer", args: "on|off", help: "Show how long each input took", min: 1, max: 1, takes: someSwitch, local: true,
		run: switchCommand(func(sh *Shell) *bool { return &sh.set.timer })},
}

// switchCommand makes a command of a setting.
func switchCommand(setting func(*Shell) *bool) func(*Shell, context.Context, []string) error {
	return func(sh *Shell, _ context.Context, args []string) error {
		on, err := onOff(args[0])
		if err == nil {
			*setting(sh) = on
		}
		return err
	}
}

func quit(sh *Shell, _ context.Context, _ []string) error {
	sh.quit = true
	return nil
}

func help(sh *Shell, _ context.Context, args []string) error {
	if len(args) == 1 {
		c, err := findCommand("." + strings.TrimPrefix(args[0], "."))
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(sh.out, "%s\n  %s.\n", strings.TrimSpace(c.name+" "+c.args), c.help)
		return err
	}
	for _, c := range commands {
		if _, err := fmt.Fprintf(sh.out, "%-30s %s\n", strings.TrimSpace(c.name+" "+c.args), c.help); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(sh.out, "Everything else is SQL, up to a semicolon. A command may be shortened.")
	return err
}

// errInTransaction refuses what would end a transaction unasked.
var errInTransaction = errors.New("a transaction is open: COMMIT or ROLLBACK it first")
