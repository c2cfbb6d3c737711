package shell

import (
	"context"
	"io"
	"time"

	"github.com/reeflective/readline"
)

// lineEditor is an [Editor] with history, completion and movement in the line.
type lineEditor struct {
	rl *readline.Shell
}

// NewLineEditor returns an Editor on the terminal of the process. It keeps a
// history in the state directory of the user, and obeys ~/.inputrc.
func NewLineEditor() Editor {
	rl := readline.NewShell()
	rl.History.Add("history", loadHistory(historyPath()))
	for _, name := range []string{"completion-ignore-case", "menu-complete-display-prefix", "multiline-column"} {
		rl.Config.Set(name, true)
	}
	for keymap, binds := range rl.Config.Binds {
		if binds["\t"].Action == "complete" { // which shows no list
			rl.Config.Bind(keymap, "\t", "menu-complete", false)
		}
	}
	return &lineEditor{rl}
}

func (e *lineEditor) SetCompleter(f func(text string) Candidates) {
	e.rl.Completer = func(line []rune, cursor int) readline.Completions {
		text := string(line[:min(cursor, len(line))])
		found := f(text)
		if !isASCII(text[found.Start:]) {
			return readline.Completions{} // it counts the characters of a word in bytes
		}
		list := make([]readline.Completion, len(found.Values))
		for i, value := range found.Values {
			list[i] = readline.Completion{Value: value, Display: value}
		}
		if len(list) == 1 && !found.Open {
			list[0].Value += " "
		}
		values := readline.CompleteRaw(list)
		values.PREFIX = text[found.Start:]
		return values
	}
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

func (e *lineEditor) Read(ctx context.Context, prompt, more string, whole func(string) bool) (string, error) {
	e.rl.Prompt.Primary(func() string { return prompt })
	e.rl.Prompt.Secondary(func() string { return more })
	e.rl.AcceptMultiline = func(line []rune) bool { return whole(string(line)) }
	type result struct {
		text string
		err  error
	}
	read := make(chan result, 1)
	go func() {
		text, err := e.rl.Readline()
		read <- result{text, err}
	}()
	var r result
	select {
	case r = <-read:
	case <-ctx.Done():
		e.wake()
		select { // it puts the terminal back as it was
		case <-read:
		case <-time.After(time.Second): // Windows cannot wake it
		}
		return "", ctx.Err()
	}
	switch {
	case r.err == nil:
		return r.text + "\n", nil
	case r.err == readline.ErrInterrupt:
		return "", ErrInterrupt
	case r.err == io.EOF:
		return "", io.EOF
	}
	return "", r.err
}

// wake makes Readline return, as if Ctrl-C were pressed.
func (e *lineEditor) wake() {
	e.rl.Keys.Feed(false, '\x03')
	e.rl.Keys.RequestRefresh()
}
