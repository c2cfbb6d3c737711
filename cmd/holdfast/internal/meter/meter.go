// Package meter shows how far a long operation is.
package meter

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/jedib0t/go-pretty/v6/progress"

	"github.com/holdfastdb/holdfast/cmd/holdfast/internal/lockview"
	"github.com/holdfastdb/holdfast/cmd/holdfast/internal/terminal"
)

// every is how often a plain line is printed.
const every = 2 * time.Second

// A Meter shows one operation: on a terminal as a bar, otherwise as a line now and
// then. Its methods are safe for concurrent use.
type Meter struct {
	out  io.Writer
	what string

	mu    sync.Mutex
	told  time.Time         // of the last plain line; guarded by mu
	bar   progress.Writer   // nil on what is no terminal, and before the first Set; guarded by mu
	track *progress.Tracker // of bar; guarded by mu
	drawn chan struct{}     // closed when bar was drawn for the last time; guarded by mu
}

// New returns the meter of what, such as "copying". Nothing is shown before the
// first Set.
func New(out io.Writer, what string) *Meter {
	return &Meter{out: out, what: what, told: time.Now()}
}

// Set says that so many of so many bytes are done. It may be called at any rate.
func (m *Meter) Set(done, total int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !terminal.Is(m.out) || terminal.IsDumb() {
		if time.Since(m.told) >= every {
			m.told = time.Now()
			fmt.Fprintf(m.out, "%s: %s\n", m.what, lockview.Progress(done, total))
		}
		return
	}
	if m.bar == nil {
		m.begin()
	}
	m.track.UpdateTotal(total)
	m.track.SetValue(done)
}

func (m *Meter) begin() {
	m.bar, m.drawn = progress.NewWriter(), make(chan struct{})
	m.bar.SetOutputWriter(m.out)
	m.bar.SetAutoStop(true)
	m.bar.SetUpdateFrequency(100 * time.Millisecond)
	m.bar.SetTrackerLength(30)
	m.bar.SetStyle(progress.StyleBlocks)
	m.track = &progress.Tracker{Message: m.what, Units: progress.UnitsBytes, AutoStopDisabled: true}
	m.bar.AppendTracker(m.track)
	go func() {
		m.bar.Render()
		close(m.drawn)
	}()
}

// End says whether the operation went well, and leaves the terminal to others.
func (m *Meter) End(ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.bar == nil {
		return
	}
	if ok {
		m.track.MarkAsDone()
	} else {
		m.track.MarkAsErrored()
	}
	<-m.drawn
	m.bar = nil
}
