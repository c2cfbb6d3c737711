//go:build linux

package chaos

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/afero"

	"github.com/holdfastdb/holdfast/backends/leasefile"
)

// A wire is the file system of a process, the register's included, as it reaches
// it over a network: at one operation, counted by its trap, it does what it is
// told. What was written and not synced may still be on its way then.
type wire struct {
	afero.Fs
	lazy    bool          // writes take effect when their file is synced
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

// A flight is one operation, which may take effect late, and twice.
type flight struct {
	Kind string // look, create, write, truncate, sync, remove, rename or mkdir
	Name string
	To   string `json:",omitempty"`
	Off  int64  `json:",omitempty"` // or size
	Data []byte `json:",omitempty"`
}

const kindLook = "look"

func (f flight) String() string {
	text := f.Kind + " " + filepath.Base(f.Name)
	switch {
	case f.Kind == "write":
		text += fmt.Sprintf(" at %d, %d bytes: %.24x", f.Off, len(f.Data), f.Data)
	case f.Kind == "truncate":
		text += fmt.Sprintf(" to %d", f.Off)
	case f.To != "":
		text += " to " + filepath.Base(f.To)
	}
	return text
}

func (f flight) ofRegister() bool { return strings.Contains(f.Name, leasefile.Suffix) }

func newWire(lazy bool) *wire {
	return &wire{Fs: afero.NewOsFs(), lazy: lazy, unsaved: make(map[string][]flight), hot: make(map[string]bool)}
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
			w.counts = strings.HasSuffix(f.Name, "-journal") && (f.Kind == "create" || f.Kind == "write" && f.Off == 0 && f.Data[0] != 0)
		case fromWrite:
			w.counts = !f.ofRegister() && f.Kind != kindLook
		}
	}
	return w.counts && (f.Kind != kindLook || w.trap.Looks && !f.ofRegister())
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
		for _, unsaved := range w.unsaved {
			sprung.InFlight = append(sprung.InFlight, unsaved...)
		}
		sprung.InFlight = append(sprung.InFlight, f)
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

// A wireFile is an open file on a wire. Only databases and their journals are
// written lazily: the register is synced as soon as it is written.
type wireFile struct {
	afero.File
	wire *wire
}

// atOnce is how many bytes one read returns at the most, so that others come in
// between while a whole file is read.
const atOnce = 16 << 10

func (f *wireFile) ReadAt(p []byte, off int64) (int, error) {
	p = p[:min(len(p), atOnce)]
	f.wire.before(flight{Kind: kindLook, Name: f.Name()})
	n, err := f.File.ReadAt(p, off)
	return f.wire.patch(f.Name(), p, off, n, err)
}

// patch puts into what was read what was written and did not take effect yet.
func (w *wire) patch(name string, p []byte, off int64, n int, err error) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, u := range w.unsaved[name] {
		from, to := max(off, u.Off), min(off+int64(len(p)), u.Off+int64(len(u.Data)))
		if from >= to {
			continue
		}
		if gap := int(from - off); gap > n {
			clear(p[n:gap])
		}
		copy(p[from-off:to-off], u.Data[from-u.Off:])
		n = max(n, int(to-off))
	}
	if n == len(p) {
		err = nil
	}
	return n, err
}

func (f *wireFile) WriteAt(p []byte, off int64) (int, error) {
	w := f.wire
	u := flight{Kind: "write", Name: f.Name(), Off: off, Data: bytes.Clone(p)}
	w.before(u)
	if !w.lazy || u.ofRegister() {
		return f.File.WriteAt(p, off)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unsaved[u.Name] = append(w.unsaved[u.Name], u)
	return len(p), nil
}

// Write is what the register uses.
func (f *wireFile) Write(p []byte) (int, error) {
	f.wire.before(flight{Kind: "write", Name: f.Name(), Data: bytes.Clone(p)})
	return f.File.Write(p)
}

func (f *wireFile) WriteString(s string) (int, error) { return f.Write([]byte(s)) }

func (f *wireFile) Stat() (fs.FileInfo, error) {
	f.wire.before(flight{Kind: kindLook, Name: f.Name()})
	if err := f.wire.save(f.Name()); err != nil {
		return nil, err
	}
	return f.File.Stat()
}

func (f *wireFile) Truncate(size int64) error {
	f.wire.before(flight{Kind: "truncate", Name: f.Name(), Off: size})
	if err := f.wire.save(f.Name()); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

func (f *wireFile) Sync() error {
	f.wire.before(flight{Kind: "sync", Name: f.Name()})
	if err := f.wire.save(f.Name()); err != nil {
		return err
	}
	return f.File.Sync()
}

func (f *wireFile) Readdirnames(n int) ([]string, error) {
	f.wire.before(flight{Kind: kindLook, Name: f.Name()})
	return f.File.Readdirnames(n)
}

// A landing is an operation in flight as the server has it: a write goes to the
// file that its sender had open, whatever its name is now.
type landing struct {
	flight
	file *os.File // nil for all but writes and truncations
}

// take takes over what is in flight, while the names are still what they were.
func take(all []flight) (taken []landing) {
	for _, f := range all {
		l := landing{flight: f}
		switch f.Kind {
		case "write", "truncate":
			var err error
			if l.file, err = os.OpenFile(f.Name, os.O_WRONLY, 0); err != nil {
				continue // its sender removed it meanwhile
			}
		case "sync", kindLook:
			continue
		}
		taken = append(taken, l)
	}
	return taken
}

// land lets it take effect, as far as it can. It reports whether it did.
func (l landing) land() bool {
	var err error
	switch l.Kind {
	case "write":
		_, err = l.file.WriteAt(l.Data, l.Off)
	case "truncate":
		err = l.file.Truncate(l.Off)
	case "create":
		var f *os.File
		if f, err = os.OpenFile(l.Name, os.O_WRONLY|os.O_CREATE, 0o666); err == nil {
			f.Close()
		}
	case "remove":
		err = os.Remove(l.Name)
	case "rename":
		err = os.Rename(l.Name, l.To)
	case "mkdir":
		err = os.Mkdir(l.Name, 0o777)
	}
	return err == nil
}

func (l landing) close() {
	if l.file != nil {
		l.file.Close()
	}
}
