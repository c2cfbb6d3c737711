package holdfast

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/holdfastdb/holdfast/locking"
	"github.com/holdfastdb/holdfast/vfs"
)

// An Inventory is what lies where a database should be, and what its register says.
type Inventory struct {
	Path      string         // of the database, absolute: its plain name
	Elsewhere bool           // the path is in a file system that fs= chose, and not of the machine
	Status    locking.Status // as the register says, so far as it can be read

	// Damage says why the register cannot tell which file is the database, and so
	// nobody is let in: it is gone, cannot be read, belongs to another database, or
	// names a file that is not there. It is nil if all is well.
	Damage error

	// Candidates are the files that may be the database, the highest epoch first.
	Candidates []Candidate
}

// A Candidate is a file that may be the database.
type Candidate = vfs.Candidate

// Inspect tells what lies where a database should be. It reads the register and the
// directory, acquires nothing and changes nothing. The name is a path or a data
// source name, as for [Open].
//
// It returns an error if there is no trace of a database, or its lock is no lease.
func Inspect(ctx context.Context, name string) (Inventory, error) {
	inv, err := inspect(ctx, name)
	if err != nil {
		return inv, fmt.Errorf("holdfast: inspect %q: %w", name, err)
	}
	return inv, nil
}

func inspect(ctx context.Context, name string) (inv Inventory, err error) {
	l, err := lookAt(ctx, name)
	if err != nil {
		return inv, err
	}
	defer func() { err = errors.Join(err, l.Close(ctx)) }()
	return l.inventory(ctx)
}

// inventory tells what a look shows.
func (l *look) inventory(ctx context.Context) (inv Inventory, err error) {
	inv.Path, inv.Elsewhere = l.path, l.world.isElsewhere()
	if inv.Candidates, err = l.world.vfs.Candidates(l.path); err != nil {
		return inv, err
	}
	inv.Status, err = l.Status(ctx)
	switch {
	case errors.Is(err, locking.ErrRecord):
		inv.Damage = err
	case err != nil:
		return inv, err
	case inv.Status.Grade != locking.GradeFenced:
		return inv, fmt.Errorf("its lock is of grade %s, so the database never leaves its plain name", inv.Status.Grade)
	default:
		inv.Damage = l.world.damage(l.path, inv.Status, inv.Candidates)
	}
	return inv, nil
}

// damage says why a register cannot tell which of the candidates is the database.
func (w *world) damage(path string, s locking.Status, all []Candidate) error {
	base := filepath.Base(path)
	m, err := w.vfs.ReadMarker(path)
	marked := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	switch {
	case s.Database != "" && s.Database != base:
		return fmt.Errorf("register %s belongs to the database %q", s.Lock, s.Database)
	case marked && s.Register != m.Register && s.Lock != m.Lock:
		return fmt.Errorf("register %s is not the one that %s speaks of, %s", s.Lock, markerOf(base), m.Lock)
	case marked && s.Register == "":
		return fmt.Errorf("register %s was never used, though %s speaks of it: it was removed", s.Lock, markerOf(base))
	case marked && s.Register != m.Register:
		return fmt.Errorf("register %s is not the one that %s speaks of: it was removed and made anew", s.Lock, markerOf(base))
	case s.Register == "" && len(all) > 0 && all[0].File != "":
		return fmt.Errorf("register %s was never used, but there is %s, a copy that some register must have named", s.Lock, all[0].File)
	case s.Register != "" && !slices.ContainsFunc(all, func(c Candidate) bool { return c.File == s.File }):
		return fmt.Errorf("register %s says that the database is %s, which is not there", s.Lock, cmp.Or(s.File, base))
	}
	return nil
}

// markerOf returns the name of the marker of a database, for people.
func markerOf(name string) string { return name + ".holdfast" }
