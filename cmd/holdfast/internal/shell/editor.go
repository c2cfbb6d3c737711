package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/holdfastdb/holdfast/cmd/holdfast/internal/sqltext"
)

// ErrInterrupt is what an [Editor] returns when its user gave up the input.
var ErrInterrupt = errors.New("shell: input interrupted")

// An Editor reads from a person.
type Editor interface {
	// Read shows a prompt and returns what was typed: one line, or as many as it
	// takes until whole says that they are, with more before each further line.
	// It returns [ErrInterrupt] if the user gave up what was typed, io.EOF at the
	// end of the input, and the error of ctx when that ends.
	Read(ctx context.Context, prompt, more string, whole func(string) bool) (string, error)

	// SetCompleter has the editor ask f what can stand at the end of a text.
	SetCompleter(f func(text string) Candidates)
}

// Candidates are what can stand at the end of a text.
type Candidates struct {
	Start  int      // where in the text the word begins that they replace
	Values []string // whole words
	Open   bool     // a word may go on: no space after it
}

// plainEditor reads lines as the terminal hands them over.
type plainEditor struct {
	in         *lineReader
	out        io.Writer
	interrupts <-chan os.Signal
}

// NewPlainEditor returns an Editor without line editing, for terminals that
// cannot move their cursor, that shows its prompts on out.
func NewPlainEditor(in io.Reader, out io.Writer, interrupts <-chan os.Signal) Editor {
	return &plainEditor{readLines(newInput(in)), out, interrupts}
}

func (p *plainEditor) SetCompleter(func(string) Candidates) {}

func (p *plainEditor) Read(ctx context.Context, prompt, more string, whole func(string) bool) (string, error) {
	var text strings.Builder
	for {
		fmt.Fprint(p.out, prompt)
		line, err := p.line(ctx)
		text.WriteString(line)
		switch {
		case err == io.EOF && text.Len() > 0:
			return text.String(), nil
		case err != nil:
			fmt.Fprintln(p.out)
			return "", err
		case whole(text.String()):
			return text.String(), nil
		}
		prompt = more
	}
}

// line reads one line. What was typed of it before an interrupt is gone: the
// terminal drops it.
func (p *plainEditor) line(ctx context.Context) (string, error) {
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	stopped := make(chan bool, 1)
	go func() {
		select {
		case <-p.interrupts:
			stopped <- true
			cancel()
		case <-waiting.Done():
			stopped <- false
		}
	}()
	line, err := p.in.next(waiting)
	cancel()
	if <-stopped && err != nil {
		return "", ErrInterrupt
	}
	return line, err
}

// whole reports whether a text can be run: it is a dot-command, has nothing in it,
// or ends a statement.
func whole(text string) bool {
	if strings.HasPrefix(text, ".") {
		return true
	}
	var s sqltext.Scanner
	s.Feed(text)
	return s.Complete() || s.Blank()
}
