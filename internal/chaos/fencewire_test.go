//go:build linux

package chaos

import (
	"bytes"
	"io/fs"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/afero"
)

// A wire is the file system of a process, the register's included, as it reaches
// it over a network: at one operation, counted by its trap, it does what it is
// told. What was written and not synced may still be on its way then.
type wire struct {
	afero.Fs
	lazy    bool          // writes take effect when their file is synced
	pages   bool          // and are on their way as the pages that the kernel has of them by then
	latency time.Duration // between the call of an operation that changes something and its effect

	mu      sync.Mutex
	trap    trap
	n       int                 // guarded by mu; operations that were counted since the trap was set
	counts  bool                // guarded by mu; the trap counts
	unsaved map[string][]flight // guarded by mu; by file, in order; only if lazy
	cut     bool                // guarded by mu; nothing passes any more
	hot     map[string]bool     // guarded by mu; journals that SQLite would play back, unless they are finished
	release chan struct{}       // guarded by mu; closed to let a paused operation pass
}

// A trap says at which operation a wire does what.
type trap struct {
	At    int    // operation, counted from 1; 0: at none
	Act   string // what it does there
	From  string // operations count from the first that is this
	Looks bool   // those that change nothing count as well, outside the register
}

// What a trap does.
const (
	actStop  = "stop"  // the process stops itself
	actKill  = "kill"  // it kills itself
	actPause = "pause" // the operation waits to be let go; others pass
	actCut   = "cut"   // nothing takes effect any more, unless what is in flight is landed by somebody else
)

// What a trap counts from.
const (
	fromNow      = ""
	fromTakeover = "takeover" // a record is written that has a takeover
	fromWrite    = "write"    // a file is changed outside the register
	fromCopy     = "copy"     // a copy of the database is created
	fromJournal  = "journal"  // a transaction begins its journal
)

func newWire(lazy, pages bool) *wire {
	return &wire{Fs: afero.NewOsFs(), lazy: lazy, pages: pages, unsaved: make(map[string][]flight), hot: make(map[string]bool)}
}

func (w *wire) set(t trap) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trap, w.n, w.counts = t, 0, t.From == fromNow
}

// span returns how many operations were counted.
func (w *wire) span() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.n
}

// pass lets a paused operation go on.
func (w *wire) pass() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.release != nil {
		close(w.release)
		w.release = nil
	}
}

// before is called before each operation.
func (w *wire) before(f flight) {
	w.mu.Lock()
	if w.cut {
		w.mu.Unlock()
		select {}
	}
	w.noteJournal(f)
	if !w.counted(f) {
		w.mu.Unlock()
		if f.Kind != kindLook {
			time.Sleep(w.latency)
		}
		return
	}
	w.n++
	if w.n != w.trap.At {
		w.mu.Unlock()
		return
	}
	w.spring(f) // unlocks
}

func (w *wire) counted(f flight) bool {
	if !w.counts {
		switch w.trap.From {
		case fromTakeover:
			w.counts = f.ofRegister() && bytes.Contains(f.Data, []byte(`"takeover": {`))
		case fromCopy:
			w.counts = f.Kind == "create" && strings.Contains(f.Name, "@")
		case fromJournal:
			w.counts = strings.HasSuffix(f.Name, "-journal") && (f.Kind == "create" || f.Kind == "write" && f.Off == 0 && beginsJournal(f.Data))
		case fromWrite:
			w.counts = !f.ofRegister() && f.Kind != kindLook
		}
	}
	return w.counts && (f.Kind != kindLook || w.trap.Looks && !f.ofRegister())
}

// beginsJournal reports whether SQLite writes the header of a new journal, which does
// not count anything yet, and not what counts its records or ends it.
func beginsJournal(header []byte) bool {
	const count = 12
	return len(header) > count && len(bytes.Trim(header, "\x00")) > 0
}

// spring does what the trap says. It is called with mu held, and gives it up.
func (w *wire) spring(f flight) {
	sprung := &springing{Act: w.trap.Act, At: f}
	switch w.trap.Act {
	case actPause:
		release := make(chan struct{})
		w.release = release
		w.mu.Unlock()
		say(fenceEvent{Sprung: sprung})
		<-release
	case actCut:
		w.cut = true
		sprung.InFlight = w.inFlight(f)
		w.mu.Unlock()
		say(fenceEvent{Sprung: sprung})
		select {}
	case actStop:
		// Nothing else passes either before all threads have stopped.
		say(fenceEvent{Sprung: sprung})
		syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		w.mu.Unlock()
	case actKill:
		say(fenceEvent{Sprung: sprung})
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

// inFlight returns what is on its way when the last operation is begun. It is called
// with mu held.
func (w *wire) inFlight(last flight) (all []flight) {
	if w.lazy && w.pages && last.Kind == "write" && !last.ofRegister() {
		w.unsaved[last.Name] = append(w.unsaved[last.Name], last)
	} else {
		all = append(all, last)
	}
	for name, unsaved := range w.unsaved {
		if w.pages {
			unsaved = w.pagesOf(name, unsaved)
		}
		all = append(all, unsaved...)
	}
	return all
}

// pagesOf returns the pages that writes have changed, each with all of its changes.
func (w *wire) pagesOf(name string, writes []flight) (pages []flight) {
	const size = 4096
	content, err := os.ReadFile(name)
	if err != nil {
		return nil
	}
	dirty := make(map[int64]bool)
	for _, u := range writes {
		end := u.Off + int64(len(u.Data))
		if grow := end - int64(len(content)); grow > 0 {
			content = append(content, make([]byte, grow)...)
		}
		copy(content[u.Off:], u.Data)
		for at := u.Off / size * size; at < end; at += size {
			dirty[at] = true
		}
	}
	for at := range dirty {
		data := content[at:min(at+size, int64(len(content)))]
		pages = append(pages, flight{Kind: "write", Name: name, Off: at, Data: data})
	}
	return pages
}

func (w *wire) OpenFile(name string, flag int, perm fs.FileMode) (afero.File, error) {
	kind := kindLook
	if flag&os.O_CREATE != 0 {
		kind = "create"
	}
	w.before(flight{Kind: kind, Name: name})
	f, err := w.Fs.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return &wireFile{f, w}, nil
}

func (w *wire) Open(name string) (afero.File, error) { return w.OpenFile(name, os.O_RDONLY, 0) }

func (w *wire) Create(name string) (afero.File, error) {
	return w.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666)
}

func (w *wire) Stat(name string) (fs.FileInfo, error) {
	w.before(flight{Kind: kindLook, Name: name})
	if err := w.save(name); err != nil {
		return nil, err
	}
	return w.Fs.Stat(name)
}

func (w *wire) Remove(name string) error {
	w.before(flight{Kind: "remove", Name: name})
	w.forget(name)
	return w.Fs.Remove(name)
}

func (w *wire) Rename(from, to string) error {
	w.before(flight{Kind: "rename", Name: from, To: to})
	return w.Fs.Rename(from, to)
}

func (w *wire) Mkdir(name string, perm fs.FileMode) error {
	w.before(flight{Kind: "mkdir", Name: name})
	return w.Fs.Mkdir(name, perm)
}

// noteJournal is called before each operation, with mu held.
func (w *wire) noteJournal(f flight) {
	if !strings.HasSuffix(f.Name, "-journal") || f.Off != 0 {
		return
	}
	switch f.Kind {
	case "write":
		w.hot[f.Name] = len(f.Data) > 0 && f.Data[0] != 0
	case "truncate", "remove":
		delete(w.hot, f.Name)
	}
}

// hasJournal reports whether a transaction has written a journal and not finished it.
func (w *wire) hasJournal() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, hot := range w.hot {
		if hot {
			return true
		}
	}
	return false
}

func (w *wire) forget(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.unsaved, name)
}

// save has what was written to a file take effect.
func (w *wire) save(name string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	writes := w.unsaved[name]
	if len(writes) == 0 {
		return nil
	}
	f, err := w.Fs.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	for _, p := range writes {
		if _, err := f.WriteAt(p.Data, p.Off); err != nil {
			return err
		}
	}
	delete(w.unsaved, name)
	return nil
}
