package leasefile

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/holdfastdb/holdfast/locking"
)

const (
	scratchSuffix = ".new" // of the directory that a creator builds
	tombSuffix    = ".old" // of one that nobody needs any more
)

// create makes the register out of a directory that is complete.
func (r *Register) create(ctx context.Context, value []byte) (state, error) {
	first, err := r.stage(ctx, value)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errUnfit) {
		// Somebody may have created the register, cleaned up under our hands, and
		// removed the register again. If it is not that, it comes again.
		first, err = r.stage(ctx, value)
	}
	if err != nil {
		return state{}, err
	}
	scratch := r.scratch(first)
	if err := r.fs.Rename(scratch, r.dir); err != nil {
		if err := r.judgeCreate(ctx, scratch, first, err); err != nil {
			return state{}, err
		}
	}
	if err := r.syncDir(filepath.Dir(r.dir)); err != nil {
		return state{}, inDoubt(err, nil)
	}
	r.removeLeftovers()
	return first, nil
}

// stage builds the directory that is to become the register, at a new first state.
func (r *Register) stage(ctx context.Context, value []byte) (state, error) {
	unused := state{}
	if err := r.overtaken(ctx, unused, nil); err != nil {
		return unused, err
	}
	first := unused.next()
	if err := r.build(ctx, r.scratch(first), first, value); err != nil {
		_ = r.fs.RemoveAll(r.scratch(first))
		return unused, r.overtaken(ctx, unused, err)
	}
	return first, nil
}

// build makes scratch a register at its first state.
func (r *Register) build(ctx context.Context, scratch string, first state, value []byte) error {
	if err := r.fs.Mkdir(scratch, 0o777); err != nil {
		return explain(filepath.Dir(r.dir), err)
	}
	if err := r.write(ctx, filepath.Join(scratch, first.value()), value); err != nil {
		return err
	}
	token := filepath.Join(scratch, first.token())
	if err := r.write(ctx, token, nil); err != nil {
		return err
	}
	if err := r.probeDir(scratch); err != nil {
		return err
	}
	if err := r.probe(token); err != nil {
		return err
	}
	if err := r.syncDir(scratch); err != nil {
		return err
	}
	return ended(ctx)
}

// judgeCreate says what came of a rename of scratch to the register's name that
// returned an error. It returns nil if the rename took effect.
func (r *Register) judgeCreate(ctx context.Context, scratch string, first state, cause error) error {
	// Whoever renames scratch away first has the last word: if it can be taken
	// back, it was never the register and never will be.
	taken := r.discard(scratch)
	if errors.Is(cause, fs.ErrExist) {
		return locking.ErrConflict
	}
	l, err := r.look(ctx)
	present := l.state()
	switch {
	case err == nil && present == first:
		return nil
	case err == nil && present.number == first.number:
		return locking.ErrConflict
	case taken && err == nil && present != (state{}):
		return locking.ErrConflict
	case taken:
		return explain(filepath.Dir(r.dir), cause)
	}
	return inDoubt(cause, err)
}

// discard removes a scratch directory, also that of a creator who still works on
// it, and reports whether it was there. The rename makes sure that nobody can make
// half of it the register.
func (r *Register) discard(scratch string) bool {
	tomb := strings.TrimSuffix(scratch, scratchSuffix) + tombSuffix
	if err := r.fs.Rename(scratch, tomb); err != nil {
		return false
	}
	_ = r.fs.RemoveAll(tomb)
	return true
}

// removeLeftovers removes what creators left who were killed. One that still
// works finds that it was beaten.
func (r *Register) removeLeftovers() {
	parent := filepath.Dir(r.dir)
	var left []string
	// What cannot be listed is left for the next creator.
	_ = eachName(r.fs, parent, func(names []string) bool {
		for _, name := range names {
			if r.leftover(name) {
				left = append(left, filepath.Join(parent, name))
			}
		}
		return true
	})
	for _, path := range left {
		if strings.HasSuffix(path, scratchSuffix) {
			r.discard(path)
		} else {
			_ = r.fs.RemoveAll(path)
		}
	}
}

// scratch returns the path of a directory that belongs to the creation of the
// register at s.
func (r *Register) scratch(s state) string { return r.dir + "." + s.nonce + scratchSuffix }

// leftover reports whether name is that of a scratch directory, or of the tomb of one.
func (r *Register) leftover(name string) bool {
	rest, ok := strings.CutPrefix(name, filepath.Base(r.dir)+".")
	nonce, suffix, _ := strings.Cut(rest, ".")
	return ok && isNonce(nonce) && ("."+suffix == scratchSuffix || "."+suffix == tombSuffix)
}
