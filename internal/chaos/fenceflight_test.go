//go:build linux

package chaos

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/holdfastdb/holdfast/backends/leasefile"
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
