package leasefile

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/spf13/afero"

	"github.com/holdfastdb/holdfast/internal/remotedir"
	"github.com/holdfastdb/holdfast/locking"
	"github.com/holdfastdb/holdfast/locking/locktest"
)

// A memory is the directory of a register as the kernel of an SMB client lists it: a
// second time as it was the first time. What is asked for by name the server answers.
type memory struct {
	fs         afero.Fs
	dir        string
	listed     *remotedir.Dir
	remembered []string
	never      bool  // it never lists anew
	always     bool  // it always does
	mute       error // of asking by name
	listings   int
}

func newMemory(fsys afero.Fs, dir string) *memory {
	return &memory{fs: fsys, dir: dir, listed: remotedir.New(fsys, dir)}
}

func (m *memory) Names() ([]string, bool, error) {
	m.listings++
	if names := m.remembered; names != nil && !m.always {
		if !m.never {
			m.remembered = nil
		}
		return names, false, nil
	}
	names, _, err := m.listed.Names()
	m.remembered = names
	return names, m.always, err
}

func (m *memory) Has(name string) (bool, error) {
	if m.mute != nil {
		return false, m.mute
	}
	_, err := m.fs.Stat(filepath.Join(m.dir, name))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// newRemembering returns the register in dir, and its directory.
func newRemembering(fsys afero.Fs, dir string) (*Register, *memory) {
	r, m := New(fsys, dir), newMemory(fsys, dir)
	r.files = m
	return r, m
}

// A register keeps its promises where listings come from memory.
func TestConformanceFromMemory(t *testing.T) {
	// In a bubble a writer without a pause lets no reader wake up that waits.
	locktest.RunInRealTime(t, func(tb testing.TB) locktest.Subject {
		dir := filepath.Join(tb.TempDir(), "app.db.lease")
		lossy := newLossyFs()
		next := afero.Fs(lossy)
		return locktest.Subject{
			Open: func() (locking.Register, error) {
				r, _ := newRemembering(next, dir)
				next = afero.NewOsFs()
				return r, nil
			},
			LoseReply: func() { lossy.lose = true },
			Wipe:      func() error { return os.RemoveAll(dir) },
		}
	})
}

// As long as the version is the one that is known, and the server says so, nothing is
// listed.
func TestKnownVersionIsNotListed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "app.db.lease")
	version := plant(t, dir, 7, "before")
	r, m := newRemembering(afero.NewOsFs(), dir)
	check := func(value string, version locking.Version, listings int) {
		t.Helper()
		m.listings = 0
		got, at, err := r.Read(t.Context())
		if string(got) != value || at != version || err != nil || m.listings != listings {
			t.Errorf("read = %q, %q, %v by %d listings; want %q, %q by %d", got, at, err, m.listings, value, version, listings)
		}
	}
	check("before", version, 1)
	check("before", version, 0)
	version = mustSwap(t, r, version, "mine")
	check("mine", version, 0)
	version = mustSwap(t, New(afero.NewOsFs(), dir), version, "another's")
	check("another's", version, 2)
	check("another's", version, 0)
	m.mute = errors.ErrUnsupported
	m.always = true
	check("another's", version, 1)
	mustWipe(t, dir)
	if _, at, err := r.Read(t.Context()); at != locking.Unused || err != nil {
		t.Errorf("read after a wipe = %q, %v", at, err)
	}
}

func mustWipe(t *testing.T, dir string) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
}

// What cannot be known for sure is an error that says what to do.
func TestListingThatCannotBeTrusted(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(*memory)
		want   error
		says   string
	}{
		{"it never lists anew", func(m *memory) { m.never = true }, locking.ErrUnreachable, "nohandlecache"},
		{"nobody can be asked", func(m *memory) { m.mute = errors.ErrUnsupported }, errUnfit, "nohandlecache"},
		{"the server does not answer", func(m *memory) { m.mute = syscall.EHOSTDOWN }, syscall.EHOSTDOWN, "nohandlecache"},
		{"nothing is remembered", func(m *memory) { m.mute, m.always = errors.ErrUnsupported, true }, nil, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "app.db.lease")
				version := plant(t, dir, 7, "before")
				r, m := newRemembering(afero.NewOsFs(), dir)
				if _, _, err := r.Read(t.Context()); err != nil {
					t.Fatal(err)
				}
				mustSwap(t, New(afero.NewOsFs(), dir), version, "another's")
				row.change(m)
				value, _, err := r.Read(t.Context())
				if row.want == nil {
					if string(value) != "another's" || err != nil {
						t.Errorf("read = %q, %v", value, err)
					}
					return
				}
				checkLine(t, err, row.want, row.says)
			})
		})
	}
}

// A look goes by what the server says, also one that is to tell what came of a swap.
func TestSwapIsNotJudgedByMemory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "app.db.lease")
	version := plant(t, dir, 7, "before")
	fsys := failingRename(func(c call) error {
		others(t, dir, 1)
		return os.ErrNotExist
	}, false)
	r, _ := newRemembering(fsys, dir)
	if _, _, err := r.Read(context.Background()); err != nil {
		t.Fatal(err)
	}
	_, err := r.CompareAndSwap(t.Context(), version, []byte("mine"))
	checkTold(t, err, locking.ErrConflict)
}
