package locking

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A name that its record cannot keep, or that a takeover cannot lengthen, is refused
// before anything is written.
func TestNamesThatCannotBeLeasedAreRefused(t *testing.T) {
	for name, says := range map[string]string{
		"":                             "not the name of a file",
		"..":                           "not the name of a file",
		"data/app.db":                  "not the name of a file",
		"caf\xe9.db":                   "not UTF-8",
		"a\nb.db":                      "control character",
		"a\x7fb.db":                    "control character",
		`a\b.db`:                       "backslash",
		strings.Repeat("x", 219):       "219 bytes",
		strings.Repeat("é", 109) + "x": "219 bytes",
	} {
		err := CheckName(name)
		if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "rename the file") || strings.Contains(err.Error(), "\n") {
			t.Errorf("CheckName(%q) = %v, want one line that says %q and what to do", name, err, says)
		}
		reg, files := &cell{}, newShelf()
		o := fenced(files)
		o.Storage = &named{files, name}
		if c, err := NewCoordinator(reg, o); err == nil {
			c.Close(t.Context())
			t.Errorf("a database named %q was accepted", name)
		}
		if n := reg.operations(); n != 0 {
			t.Errorf("%q: %d operations on the register before it was refused", name, n)
		}
	}
}

// Names that can be leased are kept by the record as they are, also through a takeover.
func TestNamesThatCanBeLeasedAreKept(t *testing.T) {
	for _, name := range []string{"app.db", "café 2.db", "a@1-00000000", strings.Repeat("x", 218)} {
		synctest.Test(t, func(t *testing.T) {
			reg, files := &cell{}, newShelf()
			files.files[name] = nil
			o := fenced(files)
			o.Storage = &named{files, name}
			freeze(t, reg, o, Exclusive)
			for range 2 { // processes, one after the other
				c := open(t, reg, o)
				l := newLock(t, c)
				if err := l.Lock(t.Context(), Shared, patient(time.Minute)); err != nil {
					t.Errorf("%q: %v", name, err)
				}
				must(t, l.Unlock(None))
				must(t, c.Close(t.Context()))
			}
			r := reg.record(t)
			if of, _, ok := ParseFileName(r.File); !ok || of != name || len(r.File+"-journal") > 255 {
				t.Errorf("%q went on as %q", name, r.File)
			}
		})
	}
}

// named is a shelf whose database has another name.
type named struct {
	*shelf
	name string
}

func (n *named) Name() string { return n.name }
