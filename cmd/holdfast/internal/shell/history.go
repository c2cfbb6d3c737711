package shell

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// maxHistory is how many inputs are kept, at least, and half of how many the file
// may hold before the older ones are dropped.
const maxHistory = 1000

// history keeps what was typed, in a file that all shells of a user share. It is
// a convenience: if the file cannot be read or written, that is no error.
type history struct {
	path   string // "" if there is no place for it
	inputs []string
}

// loadHistory reads the history of the user.
func loadHistory(path string) *history {
	h := &history{path: path}
	f, err := os.Open(path)
	if err != nil {
		return h
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	n := 0
	for ; lines.Scan(); n++ {
		var input string
		if json.Unmarshal(lines.Bytes(), &input) == nil {
			h.inputs = append(h.inputs, input)
		}
	}
	if n > 2*maxHistory {
		h.shorten()
	}
	return h
}

// shorten writes the file anew with the younger inputs only.
func (h *history) shorten() {
	h.inputs = h.inputs[max(0, len(h.inputs)-maxHistory):]
	var b strings.Builder
	for _, input := range h.inputs {
		b.Write(encode(input))
	}
	temp := h.path + ".new"
	if os.WriteFile(temp, []byte(b.String()), 0o600) == nil {
		os.Rename(temp, h.path)
	}
}

// encode makes one line of an input that may have several.
func encode(input string) []byte {
	line, _ := json.Marshal(input) // a string cannot fail
	return append(line, '\n')
}

// Write adds an input. It is called by the line editor.
func (h *history) Write(input string) (int, error) {
	input = strings.TrimSpace(input)
	if input == "" {
		return len(h.inputs), nil
	}
	h.inputs = append(h.inputs, input)
	if h.path == "" || os.MkdirAll(filepath.Dir(h.path), 0o700) != nil {
		return len(h.inputs), nil
	}
	if f, err := os.OpenFile(h.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
		f.Write(encode(input))
		f.Close()
	}
	return len(h.inputs), nil
}

// GetLine returns one input, the oldest being 0.
func (h *history) GetLine(i int) (string, error) {
	if i < 0 || i >= len(h.inputs) {
		return "", errors.New("no such line in the history")
	}
	return h.inputs[i], nil
}

// Len returns how many inputs there are.
func (h *history) Len() int { return len(h.inputs) }

// Dump returns all inputs.
func (h *history) Dump() any { return h.inputs }

// historyPath is where the history of this user lies, or "".
//
// https://specifications.freedesktop.org/basedir-spec/latest/
func historyPath() string {
	state := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(state) {
		home, err := os.UserHomeDir()
		if err != nil {
			return ""
		}
		state = filepath.Join(home, ".local", "state")
		if local := os.Getenv("LocalAppData"); runtime.GOOS == "windows" && local != "" {
			state = local
		}
	}
	return filepath.Join(state, "holdfast", "history")
}
