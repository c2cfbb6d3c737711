package shell

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/ncruces/go-sqlite3"

	"github.com/holdfastdb/holdfast/cmd/holdfast/internal/sqltext"
)

// A liner returns the next line with its end, if it has one, and io.EOF after the
// last. It returns early when ctx ends.
type liner func(ctx context.Context) (string, error)

// lines returns the lines of a text.
func lines(text string) liner {
	return func(context.Context) (string, error) {
		if text == "" {
			return "", io.EOF
		}
		i := strings.IndexByte(text, '\n') + 1
		if i == 0 {
			i = len(text)
		}
		line := text[:i]
		text = text[i:]
		return line, nil
	}
}

// runScript runs all that next returns. It reports whether to go on with what
// comes after.
func (sh *Shell) runScript(ctx context.Context, next liner) bool {
	var p parser
	for !sh.quit {
		var line string
		err := sh.guarded(ctx, func(ctx context.Context) (err error) {
			line, err = next(ctx)
			return err
		})
		if err == nil && sh.interrupted.Load() {
			err = sqlite3.INTERRUPT // when nothing ran that would have told
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			sh.fail(p.line, explainRead(err))
			return false
		}
		if sh.set.echo {
			io.WriteString(sh.out, strings.TrimRight(line, "\r\n")+"\n")
		}
		if at, text, ok := p.feed(line); ok && !sh.do(ctx, at, text) && sh.mustStop(ctx) {
			return false
		}
	}
	if at, text := p.rest(); text != "" && !sh.quit {
		return sh.do(ctx, at, text) || !sh.mustStop(ctx)
	}
	return !sh.quit
}

func explainRead(err error) error {
	if errors.Is(err, sqlite3.INTERRUPT) {
		return errors.New("interrupted: the rest was not run")
	}
	return err
}

// mustStop says whether a script ends at an error. Without .bail it goes on, as
// with sqlite3, but nobody wants what comes after an interrupt or to a closed
// output.
func (sh *Shell) mustStop(ctx context.Context) bool {
	return sh.set.bail || sh.interrupted.Load() || ctx.Err() != nil || sh.out.broken()
}

// A parser puts lines together to what can be run at once: a dot-command, or
// statements up to a line that completes the last of them.
type parser struct {
	line    int // of the last line fed
	start   int // line of the first line of text
	text    strings.Builder
	scanner sqltext.Scanner
}

// feed adds a line. With ok it returns something to run and where that began.
func (p *parser) feed(line string) (at int, text string, ok bool) {
	p.line++
	if p.line == 1 {
		line = strings.TrimPrefix(line, "\ufeff")
	}
	if p.text.Len() == 0 {
		p.start = p.line
		if strings.HasPrefix(line, ".") {
			return p.line, strings.TrimRight(line, " \t\r\n"), true
		}
	}
	p.text.WriteString(line)
	p.scanner.Feed(line)
	switch {
	case p.scanner.Complete():
		at, text = p.rest()
		return at, text, true
	case p.scanner.Blank():
		p.rest() // nothing but comments: a dot-command may follow
	}
	return 0, "", false
}

// rest takes what is not complete.
func (p *parser) rest() (at int, text string) {
	text = p.text.String()
	p.text.Reset()
	p.scanner = sqltext.Scanner{}
	return p.start, text
}
