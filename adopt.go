package holdfast

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/holdfastdb/holdfast/locking"
	"github.com/holdfastdb/holdfast/vfs"
)

// ErrIntact: there is nothing to adopt, since the register of the database is in
// order.
var ErrIntact = errors.New("the register is in order")

// Adopt makes a file the database when the register cannot tell which one is: see
// [Inventory.Damage]. The file is that of one of the candidates that [Inspect]
// finds. Whoever opens the database next copies it first, since a process
// that the register forgot may still write to it. The other candidates stay.
//
// It returns [ErrIntact] if the register is in order, and a [*HeldError] if a process
// has the database in use; to be sure of that it may wait for as long as a lease
// outlives the silence of its holder.
func Adopt(ctx context.Context, name, file string) error {
	if err := adopt(ctx, name, file); err != nil {
		return fmt.Errorf("holdfast: adopt %q: %w", name, err)
	}
	return nil
}

func adopt(ctx context.Context, name, file string) (err error) {
	l, err := lookAt(ctx, name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close(ctx)) }()
	if l.opened {
		return errors.New("this process has the database open: close it first")
	}
	inv, err := l.inventory(ctx)
	if err != nil {
		return err
	}
	if inv.Damage == nil {
		return fmt.Errorf("%w: there is nothing to adopt", ErrIntact)
	}
	if !slices.ContainsFunc(inv.Candidates, func(c Candidate) bool { return c.File == file }) {
		base := filepath.Base(l.path)
		return fmt.Errorf("no candidate %q: %s", cmp.Or(file, base), names(base, inv.Candidates))
	}
	return l.adopt(ctx, file, inv.Candidates[0].Epoch)
}

// adopt records a file. The highest epoch of all candidates is above.
func (l *look) adopt(ctx context.Context, file string, above locking.Epoch) error {
	adopter, ok := l.Locker.(locking.Adopter)
	if !ok {
		return fmt.Errorf("its lock, of grade %s, cannot be told", l.Grade())
	}
	now, err := adopter.Adopt(ctx, file, above)
	if err != nil {
		return err
	}
	status, err := l.Status(ctx)
	if err != nil {
		return err
	}
	if err := l.world.vfs.WriteMarker(l.path, vfs.Marker{Register: now.Register, Lock: status.Lock}); err != nil {
		return fmt.Errorf("the register was written, but not the marker: adopt the file again: %w", err)
	}
	return nil
}

func names(base string, all []Candidate) string {
	if len(all) == 0 {
		return "there is none"
	}
	var names []string
	for _, c := range all {
		names = append(names, cmp.Or(c.File, base))
	}
	return "use one of " + strings.Join(names, ", ")
}
