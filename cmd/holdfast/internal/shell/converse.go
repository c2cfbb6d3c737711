package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/holdfastdb/holdfast/locking"
)

// converse reads from a person and runs what they type, until they leave.
func (sh *Shell) converse(ctx context.Context) error {
	sh.opts.Editor.SetCompleter(func(text string) Candidates { return sh.complete(ctx, text) })
	sh.say("%s: %s. Type .help for commands, .quit or Ctrl-D to leave.", sh.session.target.Name, sh.gradeLine())
	for !sh.quit {
		sh.interrupted.Store(false)
		prompt := sh.prompt()
		more := fmt.Sprintf("%*s", len([]rune(prompt)), "...> ")
		text, err := sh.opts.Editor.Read(ctx, prompt, more, whole)
		switch {
		case err == nil:
			sh.forgetInterrupts()
			sh.answer(ctx, text)
		case errors.Is(err, ErrInterrupt):
		case err == io.EOF:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		default:
			return fmt.Errorf("read the terminal: %w", err)
		}
		if sh.out.broken() {
			return ErrOutput
		}
	}
	return nil
}

// forgetInterrupts drops those that came while nothing ran.
func (sh *Shell) forgetInterrupts() {
	for {
		select {
		case <-sh.opts.Interrupts:
		default:
			return
		}
	}
}

// answer runs what was typed, which may be several inputs if it was pasted.
func (sh *Shell) answer(ctx context.Context, text string) {
	var p parser
	next := lines(text)
	for !sh.quit {
		line, err := next(ctx)
		if err != nil {
			break
		}
		if _, input, ok := p.feed(line); ok && !sh.do(ctx, 0, input) {
			return // what follows may rely on what failed
		}
	}
	if _, input := p.rest(); input != "" && !sh.quit {
		sh.do(ctx, 0, input)
	}
}

// prompt shows what the connection holds: "app.db SHARED@7> ". It holds nothing
// outside a transaction.
func (sh *Shell) prompt() string {
	level, epoch := sh.session.held()
	var b strings.Builder
	b.WriteString(sh.session.target.Name)
	if level > locking.None {
		fmt.Fprintf(&b, " %v", level)
		if epoch > 0 {
			fmt.Fprintf(&b, "@%d", epoch)
		}
	} else if sh.session.inTransaction() {
		b.WriteString(" BEGIN") // deferred: nothing is held yet
	}
	return b.String() + "> "
}
