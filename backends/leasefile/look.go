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
		switch {
		case errors.Is(err, fs.ErrNotExist):
			if err = r.checkAbsent(); err == nil {
				return listing{}, nil
			}
		case err == nil:
			if err = r.confirm(l); err == nil {
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

// A directory is that of a register, which others change. It is a [remotedir.Dir],
// except in tests.
type directory interface {
	Names() (names []string, fresh bool, err error)
	Has(name string) (bool, error)
}

// list lists the directory of the register.
func (r *Register) list() (listing, error) {
	names, fresh, err := r.files.Names()
	if err != nil {
		return listing{}, r.whyUnlisted(err)
	}
	l := parseListing(names)
	l.fresh = fresh
	return l, nil
}

// confirm returns nil if there is exactly one token in a listing, and it was there
// during the look. A token that is gone never comes back, and another is there since.
func (r *Register) confirm(l listing) error {
	if err := l.check(); err != nil || l.fresh {
		return err
	}
	token := l.state().token()
	switch has, err := r.files.Has(token); {
	case errors.Is(err, errors.ErrUnsupported):
		return unfit("the kernel may list a directory as it was, and the server has no extended attributes to ask for: mount it with the option nohandlecache")
	case err != nil:
		return fmt.Errorf("%w; if only this fails, mount the file system with the option nohandlecache", err)
	case !has:
		return unsettled{fmt.Errorf("%w: %q is listed but gone: the kernel lists the directory as it was; mount it with the option nohandlecache", locking.ErrUnreachable, token)}
	}
	return nil
}

// stands reports whether the register is known to be at s, because the server says
// that its token is there. That is not known wherever it would take a listing.
func (r *Register) stands(s state) bool {
	has, err := r.files.Has(s.token())
	return has && err == nil
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
			return err
		}
	}
}

// whyUnlisted returns the error of listing the directory of the register, or one that
// says that it is no directory.
func (r *Register) whyUnlisted(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if info, statErr := r.fs.Stat(r.dir); statErr == nil && !info.IsDir() {
		return fmt.Errorf("%w: it is not a directory; move it away, or %s", locking.ErrForeign, elsewhere)
	}
	return err
}
