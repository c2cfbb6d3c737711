// Package terminal tells terminals from files, and redraws lines on them.
package terminal

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"
)

// Is reports whether f, a reader or writer, is a terminal.
func Is(f any) bool {
	file, ok := f.(*os.File)
	return ok && isTerminal(file)
}

// IsDumb reports whether the terminal of the process cannot move its cursor.
func IsDumb() bool {
	term := os.Getenv("TERM")
	return term == "dumb" || term == "" && needsTerm
}

// A Region is some lines at the bottom of a terminal that are drawn again and
// again. It is used by one goroutine at a time.
type Region struct {
	out   *os.File
	lines int
}

// NewRegion returns a region on out, or nil if out is not a terminal that can
// redraw.
func NewRegion(out io.Writer) *Region {
	file, ok := out.(*os.File)
	if !ok || !isTerminal(file) || IsDumb() || !obeysEscapes(file) {
		return nil
	}
	return &Region{out: file}
}

// Draw replaces what was drawn before by text, cut to the size of the terminal.
func (r *Region) Draw(text string) error {
	width, height := size(r.out)
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	lines = lines[max(0, len(lines)-height+1):]
	for i, line := range lines {
		lines[i] = cut(line, width-1)
	}
	_, err := io.WriteString(r.out, r.up()+strings.Join(lines, "\n")+"\n")
	r.lines = len(lines)
	return err
}

// Above prints text that stays, above what is drawn next.
func (r *Region) Above(text string) error {
	_, err := io.WriteString(r.out, r.up()+text+"\n")
	r.lines = 0
	return err
}

// up moves the cursor to the first line of the region and erases it.
func (r *Region) up() string {
	if r.lines == 0 {
		return "\r\x1b[J"
	}
	return fmt.Sprintf("\r\x1b[%dA\x1b[J", r.lines)
}

// cut shortens a line without escape sequences to a number of characters.
func cut(line string, width int) string {
	if utf8.RuneCountInString(line) <= width {
		return line
	}
	return string([]rune(line)[:max(0, width)])
}
