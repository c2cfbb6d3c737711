// Package lockview shows the locks of a database to people and to programs.
package lockview

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/holdfastdb/holdfast/locking"
)

// Write writes a status for people: what is promised, and a table of who holds
// and who waits.
func Write(w io.Writer, s locking.Status) error {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-8s "+format+"\n", append([]any{name}, args...)...)
	}
	line("grade", "%s: %s", s.Grade, s.Grade.Promise())
	line("lock", "%s", s.Lock)
	line("file", "%s", file(s))
	if s.Epoch > 0 {
		line("epoch", "%d", s.Epoch)
	}
	if s.Takeover != nil {
		line("takeover", "%s", takeover(s))
	}
	if len(s.Old) > 0 {
		line("old", "%s", strings.Join(s.Old, ", "))
	}
	if s.Removing != nil {
		line("removing", "the plain name, which %v set out to remove and has not said that it did", s.Removing)
	}
	for _, note := range s.Notes {
		line("note", "%s", note)
	}
	if len(s.Holders)+len(s.Waiters) == 0 {
		line("holders", "none")
	} else {
		b.WriteString(entries(s) + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func file(s locking.Status) string {
	if s.File == "" {
		return "the plain name"
	}
	return s.File
}

// takeover tells how far it is: from whom, to which copy, and by whom.
func takeover(s locking.Status) string {
	t := s.Takeover
	text := fmt.Sprintf("from %v; ", t.From)
	switch {
	case t.By == "":
		return text + "whoever uses the database next copies it first"
	case t.By == t.From.ID:
		text = "" // nobody expired: it is brought back to its plain name
	}
	text += "copying to " + t.To
	if t.Total > 0 {
		text += ", " + Progress(t.Copied, t.Total)
	}
	for _, e := range s.Holders {
		if e.Holder.ID == t.By {
			text += fmt.Sprintf(", by %v", e.Holder)
		}
	}
	return text
}

// Progress tells how many of how many bytes are done.
func Progress(done, total int64) string {
	if total <= 0 {
		return Bytes(done)
	}
	return fmt.Sprintf("%s of %s (%d%%)", Bytes(done), Bytes(total), int(100*(float64(done)/float64(total))))
}

// Bytes tells a size to people.
func Bytes(n int64) string {
	size, unit := float64(n), 0
	for size >= 999.5 && unit < len(units)-1 {
		size /= 1000
		unit++
	}
	if unit == 0 || size >= 99.95 {
		return fmt.Sprintf("%.0f %s", size, units[unit])
	}
	return fmt.Sprintf("%.1f %s", size, units[unit])
}

var units = []string{"B", "kB", "MB", "GB", "TB"}

// entries is the table of who holds and who waits.
func entries(s locking.Status) string {
	t := table.NewWriter()
	t.SetStyle(table.Style{Box: table.StyleBoxLight, Options: table.OptionsDefault})
	t.AppendHeader(table.Row{"", "level", "host", "pid", "pod", "program", "age", "expires in"})
	for _, group := range []struct {
		role    string
		entries []locking.StatusEntry
	}{{"holds", s.Holders}, {"waits for", s.Waiters}} {
		for _, e := range group.entries {
			t.AppendRow(table.Row{group.role, e.Level.String(), e.Holder.Host, pid(e.Holder), e.Holder.Pod, e.Holder.Program, age(e), expiry(e)})
		}
	}
	return t.Render()
}

// pid is empty for a process that the kernel does not name.
func pid(h locking.Holder) string {
	if h.PID == 0 {
		return ""
	}
	return strconv.Itoa(h.PID)
}

func age(e locking.StatusEntry) string {
	if e.Age == 0 {
		return ""
	}
	return Round(e.Age).String()
}

func expiry(e locking.StatusEntry) string {
	switch {
	case e.Dead:
		return "dead"
	case e.TTL == 0:
		return "never"
	case e.Expires == 0:
		return "due"
	}
	return Round(e.Expires).String()
}

// Round shortens a duration to what a person wants to read.
func Round(d time.Duration) time.Duration {
	switch {
	case d >= 10*time.Second:
		return d.Round(time.Second)
	case d >= 100*time.Millisecond:
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Millisecond)
}

// object is a status as a program reads it. Durations are in milliseconds.
type object struct {
	Grade    locking.Grade `json:"grade"`
	Promise  string        `json:"promise"`
	Lock     string        `json:"lock"`
	File     string        `json:"file"`
	Epoch    locking.Epoch `json:"epoch"`
	Holders  []entry       `json:"holders"`
	Waiters  []entry       `json:"waiters"`
	Takeover *moving       `json:"takeover"`
	Old      []string      `json:"old"`
	Removing *process      `json:"removing"`
	Notes    []string      `json:"notes"`
}

type process struct {
	Host    string `json:"host"`
	PID     int    `json:"pid"`
	Pod     string `json:"pod"`
	Program string `json:"program"`
	ID      string `json:"id"`
}

type entry struct {
	Level locking.Level `json:"level"`
	process
	Age     int64 `json:"age_ms"`
	TTL     int64 `json:"ttl_ms"`
	Expires int64 `json:"expires_in_ms"`
	Dead    bool  `json:"dead"`
}

type moving struct {
	From   process   `json:"from"`
	Since  time.Time `json:"since"`
	By     string    `json:"by"` // ID of a holder; "" if nobody copies
	To     string    `json:"to"`
	Copied int64     `json:"copied"`
	Total  int64     `json:"total"`
}

// WriteJSON writes a status as one JSON object, in which no field is ever left
// out. Its durations are whole milliseconds.
func WriteJSON(w io.Writer, s locking.Status) error { return writeJSON(w, s, "  ") }

// WriteJSONLine is [WriteJSON] in one line.
func WriteJSONLine(w io.Writer, s locking.Status) error { return writeJSON(w, s, "") }

func writeJSON(w io.Writer, s locking.Status, indent string) error {
	o := object{
		Grade: s.Grade, Promise: s.Grade.Promise(), Lock: s.Lock, File: s.File, Epoch: s.Epoch,
		Holders: objects(s.Holders), Waiters: objects(s.Waiters),
		Old: append([]string{}, s.Old...), Notes: append([]string{}, s.Notes...),
	}
	if t := s.Takeover; t != nil {
		o.Takeover = &moving{From: processOf(t.From), Since: t.Since, By: t.By, To: t.To, Copied: t.Copied, Total: t.Total}
	}
	if s.Removing != nil {
		p := processOf(*s.Removing)
		o.Removing = &p
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	return enc.Encode(o)
}

func objects(entries []locking.StatusEntry) []entry {
	all := make([]entry, 0, len(entries))
	for _, e := range entries {
		all = append(all, entry{
			Level: e.Level, process: processOf(e.Holder),
			Age: e.Age.Milliseconds(), TTL: e.TTL.Milliseconds(), Expires: e.Expires.Milliseconds(), Dead: e.Dead,
		})
	}
	return all
}

func processOf(h locking.Holder) process {
	return process{Host: h.Host, PID: h.PID, Pod: h.Pod, Program: h.Program, ID: h.ID}
}

// Line is a status in one line without what changes by itself, so that two are
// equal if nothing happened between them.
func Line(s locking.Status) string {
	var parts []string
	if s.Epoch > 0 {
		parts = append(parts, fmt.Sprintf("epoch %d", s.Epoch))
	}
	if s.File != "" {
		parts = append(parts, "file "+s.File)
	}
	if t := s.Takeover; t != nil {
		part := fmt.Sprintf("takeover from %v", t.From)
		if t.To != "" {
			part += " to " + t.To
		}
		parts = append(parts, part)
	}
	for _, e := range s.Holders {
		part := fmt.Sprintf("%v held by %v", e.Level, e.Holder)
		if e.Dead {
			part += " (dead)"
		}
		parts = append(parts, part)
	}
	for _, e := range s.Waiters {
		parts = append(parts, fmt.Sprintf("%v wanted by %v", e.Level, e.Holder))
	}
	if len(s.Holders)+len(s.Waiters) == 0 {
		parts = append(parts, "nobody holds it")
	}
	return strings.Join(append(parts, s.Notes...), ", ")
}
