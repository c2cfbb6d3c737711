// Package shell is an interactive and scriptable SQL shell in the manner of
// sqlite3, that shows and respects the locks of Holdfast.
package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"

	"github.com/holdfastdb/holdfast/cmd/holdfast/internal/render"
	"github.com/holdfastdb/holdfast/cmd/holdfast/internal/target"
)

// ErrFailed: statements failed, and that was told when it happened.
var ErrFailed = errors.New("shell: a statement failed")

// ErrUsage: an option has a value that means nothing.
var ErrUsage = errors.New("shell: wrong option")

// Options says what a shell works on.
type Options struct {
	Target     target.Target
	Flags      target.Flags // for .open
	Statements []string     // run these and end; nil: read from Editor or In
	Mode       string       // output mode; "" suits the output
	Headers    string       // "on", "off", or "" as suits the mode
	Bail       bool         // stop at the first error

	Editor     Editor           // reads from a person; nil: In is a script
	Table      bool             // Out is a terminal, where results are easier to read as tables
	In         io.Reader        // read if there is no Editor
	Out, Err   io.Writer        // results, and everything else
	Interrupts <-chan os.Signal // each one stops what is running
}

// A Shell is one session.
type Shell struct {
	opts    Options
	session *session
	out     *output
	render  render.Options
	set     settings

	script string // name of the script that is being read, for messages
	depth  int    // of scripts that read scripts
	failed bool   // a statement failed
	quit   bool   // .quit was given

	interrupted atomic.Bool // since the last input
}

// settings are what .show shows, besides the output mode.
type settings struct {
	bail, changes, echo, timer bool
}

// Run runs a shell to its end. It returns [ErrFailed] if a statement failed and
// the shell is not interactive, unless there is something else to tell, and
// [ErrOutput] with its cause if the output could not be written.
func Run(ctx context.Context, opts Options) error {
	sh := &Shell{opts: opts, out: newOutput(opts.Out), set: settings{bail: opts.Bail}}
	if err := sh.setMode(); err != nil {
		return err
	}
	sh.session = openSession(opts.Target)
	err := sh.guarded(ctx, sh.session.probe)
	if err == nil {
		err = sh.work(ctx)
	}
	if end := sh.close(); end != nil {
		if err == ErrFailed {
			err = nil // it was told
		}
		err = errors.Join(err, end)
	}
	if sh.out.broken() {
		return sh.out.ownIO.err // what followed from it was not told: nobody could read the results
	}
	return err
}

// A usage error is an [ErrUsage] that says which.
type usage struct{ error }

func (u usage) Is(target error) bool { return target == ErrUsage }

func (sh *Shell) setMode() error {
	mode := sh.opts.Mode
	switch {
	case mode != "":
	case sh.opts.Table:
		mode = "box"
	default:
		mode = "list"
	}
	if err := sh.render.SetMode(mode); err != nil {
		return usage{err}
	}
	if sh.opts.Headers != "" {
		on, err := onOff(sh.opts.Headers)
		if err != nil {
			return usage{fmt.Errorf("headers: %w", err)}
		}
		sh.render.Headers = on
	}
	return nil
}

// work reads and runs everything there is.
func (sh *Shell) work(ctx context.Context) error {
	switch {
	case sh.opts.Statements != nil:
		sh.set.bail = true
		for i, text := range sh.opts.Statements {
			if len(sh.opts.Statements) > 1 {
				sh.script = fmt.Sprintf("argument %d", i+1)
			}
			if !sh.runScript(ctx, lines(text)) {
				break
			}
		}
	case sh.opts.Editor != nil:
		return sh.converse(ctx)
	default:
		in := readLines(newInput(sh.opts.In))
		sh.runScript(ctx, in.next)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if sh.failed {
		return ErrFailed
	}
	return nil
}

// close ends the session. A transaction that is still open is rolled back, which
// is told, and is an error of a script: what it did is not there.
func (sh *Shell) close() error {
	err := sh.session.roundOff()
	if errors.Is(err, errOpenTransaction) && sh.opts.Editor != nil {
		sh.say("%v", err)
		err = nil
	}
	return errors.Join(err, sh.out.flush(), sh.out.close(), sh.session.close())
}

// say tells a person something that is not a result.
func (sh *Shell) say(format string, args ...any) {
	fmt.Fprintf(sh.opts.Err, format+"\n", args...)
}

// fail tells of an error at a line, if that is known.
func (sh *Shell) fail(line int, err error) {
	sh.failed = true
	if errors.Is(err, ErrFailed) || sh.out.broken() {
		return // it was told, or whoever read the results has left
	}
	var where []string
	if sh.script != "" {
		where = append(where, sh.script)
	}
	if line > 0 {
		where = append(where, fmt.Sprintf("line %d", line))
	}
	prefix := "holdfast: "
	if len(where) > 0 {
		prefix += strings.Join(where, ", ") + ": "
	}
	if sh.interrupted.Load() && sh.opts.Editor != nil {
		prefix = "\n" + prefix // the terminal has just shown ^C
	}
	fmt.Fprintln(sh.opts.Err, prefix+Explain(err))
}
