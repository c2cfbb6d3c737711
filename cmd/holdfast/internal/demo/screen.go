package demo

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/holdfastdb/holdfast/cmd/holdfast/internal/terminal"
)

// A screen shows what goes on: on a terminal as some lines that are redrawn, with
// what happened above them, and otherwise as plain lines.
type screen struct {
	out    io.Writer
	region *terminal.Region // nil: plain lines
	shown  time.Time        // when the last plain line with the state was printed
	err    error            // nobody sees it any more
}

// plainEvery is how often the state is printed as a plain line.
const plainEvery = 2 * time.Second

func newScreen(out io.Writer) *screen {
	return &screen{out: out, region: terminal.NewRegion(out)}
}

// note prints a line that stays.
func (s *screen) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if s.region != nil {
		s.failed(s.region.Above(text))
		return
	}
	_, err := fmt.Fprintln(s.out, text)
	s.failed(err)
}

func (s *screen) failed(err error) {
	if s.err == nil {
		s.err = err
	}
}

// event prints what happened, with the time since the beginning.
func (s *screen) event(d *director, format string, args ...any) {
	s.note("%5.1fs  %s", time.Since(d.began).Seconds(), fmt.Sprintf(format, args...))
}

// draw shows the present state.
func (s *screen) draw(d *director) {
	if s.region != nil {
		s.failed(s.region.Draw(strings.Join(d.lines(), "\n")))
		return
	}
	if now := time.Now(); now.Sub(s.shown) >= plainEvery {
		s.shown = now
		s.event(d, "%s", d.summary())
	}
}

// done removes what is redrawn.
func (s *screen) done() {
	if s.region != nil {
		s.failed(s.region.Above(""))
	}
}

// lines are the state for a terminal.
func (d *director) lines() []string {
	holder, epoch := d.holder()
	lines := []string{fmt.Sprintf("%5.1fs  epoch %d, held by %s", time.Since(d.began).Seconds(), epoch, holder)}
	for _, c := range d.children {
		w := d.writers[c.name]
		mark := " "
		if c.name == holder {
			mark = ">"
		}
		lines = append(lines, fmt.Sprintf("%8s %s  %-9s %6d rows acknowledged, last under epoch %d", mark, c.name, w.state, len(w.rows), w.epoch))
	}
	return lines
}

// summary is the state in one line.
func (d *director) summary() string {
	holder, epoch := d.holder()
	parts := []string{fmt.Sprintf("epoch %d held by %s;", epoch, holder)}
	for _, c := range d.children {
		w := d.writers[c.name]
		parts = append(parts, fmt.Sprintf(" %s %s, %d rows;", c.name, w.state, len(w.rows)))
	}
	return strings.TrimSuffix(strings.Join(parts, ""), ";")
}

// holder is who wrote under the latest epoch.
func (d *director) holder() (string, uint64) {
	all := d.turns.sorted()
	if len(all) == 0 {
		return "nobody", 0
	}
	last := all[len(all)-1]
	return last.holder, last.epoch
}
