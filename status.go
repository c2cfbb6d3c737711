package holdfast

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/holdfastdb/holdfast/locking"
)

// Status tells who holds the locks of a database, who waits for them, and which file
// is the database, by a fresh look. It acquires nothing, and creates nothing: a
// database that nobody has opened yet with this lock is held by nobody. The name is a
// path or a data source name, as for [Open].
//
// It returns an error if the database does not exist.
func Status(ctx context.Context, name string) (locking.Status, error) {
	status, err := statusOf(ctx, name)
	if err != nil {
		return status, fmt.Errorf("holdfast: status of %q: %w", name, err)
	}
	return status, nil
}

func statusOf(ctx context.Context, name string) (status locking.Status, err error) {
	l, err := lookAt(ctx, name)
	if err != nil {
		return status, err
	}
	defer func() { err = errors.Join(err, l.Close(ctx)) }()
	status, err = l.Status(ctx)
	if err == nil && status.Grade == locking.GradeFenced {
		status.Notes = append(status.Notes, l.notes(status)...)
	}
	return status, err
}

// notes are what a person should know of the files of a database under a fence.
func (l *look) notes(s locking.Status) (notes []string) {
	all, err := l.world.vfs.Candidates(l.path)
	if err == nil {
		err = l.world.damage(l.path, s, all)
	}
	if err != nil {
		notes = append(notes, fmt.Sprintf("nobody is let in: %v; see holdfast adopt", err))
	}
	if _, err := l.world.stat(l.path); err == nil && s.File != "" {
		notes = append(notes, fmt.Sprintf("%s is there as well, but is not the database: what is written there is lost", filepath.Base(l.path)))
	}
	return notes
}

// A look is the locker of a database that is only looked at.
type look struct {
	locking.Locker
	world  *world
	path   string // absolute
	opened bool   // by others of this process, to whom the locker belongs
}

// lookAt returns the locker of a database that exists. It is to be closed.
func lookAt(ctx context.Context, name string) (_ *look, err error) {
	src, err := splitSource(name, onWindows)
	if err == nil {
		err = src.check(Options{})
	}
	switch {
	case err != nil:
		return nil, err
	case src.private():
		return nil, errors.New("a database in memory or a temporary one has no lock")
	}
	w, err := src.worldOf(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	path, err := w.find(src.path)
	if err != nil {
		return nil, err
	}
	if err := w.refuseCopy(path); err != nil {
		return nil, err
	}
	if d := w.database(path); d != nil {
		return &look{d, w, path, true}, nil
	}
	choice, err := chooseLock(src.params)
	if err == nil {
		choice, err = choice.resolve(w.vfs, path)
	}
	if err != nil {
		return nil, err
	}
	locker, err := choice.open(ctx, path, w.vfs.Storage(path))
	return &look{locker, w, path, false}, err
}

// refuseCopy refuses to take a copy that a takeover made for a database of its own.
func (w *world) refuseCopy(path string) error {
	dir, base := filepath.Split(path)
	of, _, isCopy := locking.ParseFileName(base)
	if !isCopy {
		return nil
	}
	m, err := w.vfs.ReadMarker(filepath.Join(dir, of))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("it is a file of the database %q, which is used with lock=%s: name that database", of, m.Lock)
}

// Close closes a locker that was opened for the look.
func (l *look) Close(ctx context.Context) error {
	if l.opened {
		return nil
	}
	return errors.Join(l.Locker.Close(ctx), l.world.close())
}

// find returns the one absolute path of a database that exists, though perhaps
// under another name.
func (w *world) find(name string) (string, error) {
	path, err := w.vfs.FullPathname(name)
	if path == "" {
		return "", err
	}
	info, err := w.stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return path, w.hasTraces(path)
	case err != nil:
		return "", err
	case !info.Mode().IsRegular():
		return "", errors.New("it is not a file")
	}
	return path, nil
}

// hasTraces returns nil if there is something of a database whose plain name is not
// there.
func (w *world) hasTraces(path string) error {
	if _, err := w.vfs.ReadMarker(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	copies, err := w.vfs.Candidates(path)
	if err == nil && len(copies) == 0 {
		err = errors.New("there is no such database")
	}
	return err
}

// database returns the open one at path, or nil.
func (w *world) database(path string) *database {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.databases[path]
}
