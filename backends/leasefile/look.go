package leasefile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/spf13/afero"

	"github.com/holdfastdb/holdfast/internal/pagecache"
	"github.com/holdfastdb/holdfast/locking"
)

// An unsettled error may be due to a rename that was under way. It is the truth
// only if it stays.
type unsettled struct{ error }

func (e unsettled) Unwrap() error { return e.error }

func isUnsettled(err error) bool {
	_, ok := errors.AsType[unsettled](err)
	return ok || errors.Is(err, syscall.ESTALE)
}

// look returns what the directory held at some moment of the call: one token, or
// nothing at all if there is no register.
func (r *Register) look(ctx context.Context) (listing, error) {
	var last error
	for try := range tries {
		if err := pause(ctx, try); err != nil {
			return listing{}, err
		}
		l, err := r.list()
		if errors.Is(err, fs.ErrNotExist) {
			err = r.checkAbsent()
			if err == nil {
				return listing{}, nil
			}
		} else if err == nil {
			if err = l.check(); err == nil {
				return l, nil
			}
		}
		if !isUnsettled(err) {
			return listing{}, err
		}
		last = err
	}
	return listing{}, last
}

// list lists the directory of the register.
func (r *Register) list() (listing, error) {
	// One at a time: the kernel would answer one listing with what it is just reading
	// for another, which may have been asked for earlier.
	r.listing.Lock()
	defer r.listing.Unlock()
	var names []string
	err := eachName(r.fs, r.dir, func(some []string) bool {
		names = append(names, some...)
		return true
	})
	return parseListing(names), err
}

// checkAbsent returns nil if there is no register. An NFS client goes on saying
// so from its cache when there is one; the listing of the parent is fresh, and
// makes the cache so.
func (r *Register) checkAbsent() error {
	parent, name := filepath.Split(r.dir)
	parent = filepath.Clean(parent)
	found := false
	err := eachName(r.fs, parent, func(names []string) bool {
		found = slices.Contains(names, name)
		return !found
	})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("directory %q is missing: create it, or mount what it is on: %w", parent, err)
	case err != nil:
		return err
	case found:
		return unsettled{fmt.Errorf("%w: it is listed but cannot be opened: is it a broken symbolic link?", locking.ErrForeign)}
	}
	return nil
}

// check returns nil if there is exactly one token. There is, unless the listing
// raced with a rename, or somebody interfered.
func (l listing) check() error {
	if len(l.tokens) == 1 {
		return nil
	}
	return unsettled{l.damage()}
}

// state returns the state whose token is there; the zero state if none is.
func (l listing) state() state {
	if len(l.tokens) == 0 {
		return state{}
	}
	return l.tokens[0]
}

// damage says what is wrong with a directory that does not hold one token.
func (l listing) damage() error {
	switch {
	case len(l.tokens) > 1:
		return fmt.Errorf("%w: it has %d tokens, such as %s and %s; somebody copied files into it: %s",
			locking.ErrRecord, len(l.tokens), l.tokens[0], l.tokens[1], removeRemedy)
	case len(l.values) > 0:
		return fmt.Errorf("%w: its token is missing; somebody removed it: %s", locking.ErrRecord, removeRemedy)
	case len(l.others) > 0:
		return fmt.Errorf("%w: it holds other things, such as %q; move it away, or %s",
			locking.ErrForeign, l.others[0], elsewhere)
	}
	return fmt.Errorf("%w: it is an empty directory; remove it", locking.ErrForeign)
}

// eachName calls f with the names in a directory, some at a time, until it
// returns false.
func eachName(fsys afero.Fs, dir string, f func([]string) bool) error {
	d, err := fsys.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	pagecache.Drop(d)
	for {
		names, err := d.Readdirnames(1024)
		if len(names) > 0 && !f(names) {
			return nil
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return notDirectory(d, err)
		}
	}
}

// notDirectory says so if that is why d could not be listed.
func notDirectory(d afero.File, err error) error {
	if info, statErr := d.Stat(); statErr == nil && !info.IsDir() {
		return fmt.Errorf("%w: it is not a directory; move it away, or %s", locking.ErrForeign, elsewhere)
	}
	return err
}
