package holdfast

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/holdfastdb/holdfast/locking"
)

// Status tells who holds the locks of a database, and who waits for them, by a
// fresh look. It acquires nothing, and creates nothing: a database that nobody has
// opened yet with this lock is held by nobody. The name is a path or a data source
// name, as for [Open].
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
	src, err := splitSource(name, onWindows)
	if err == nil {
		err = src.check(Options{})
	}
	switch {
	case err != nil:
		return status, err
	case src.private():
		return status, errors.New("a database in memory or a temporary one has no lock")
	}
	path, err := common.find(src.path)
	if err != nil {
		return status, err
	}
	if d := common.database(path); d != nil {
		return d.Status(ctx)
	}
	choice, err := chooseLock(src.params)
	if err == nil {
		choice, err = choice.resolve(path)
	}
	if err != nil {
		return status, err
	}
	locker, err := choice.open(ctx, path, nil)
	if err != nil {
		return status, err
	}
	status, err = locker.Status(ctx)
	return status, errors.Join(err, locker.Close(ctx))
}

// find returns the one absolute path of a database that exists.
func (w *world) find(name string) (string, error) {
	path, err := w.vfs.FullPathname(name)
	if path == "" {
		return "", err
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "", errors.New("there is no such database")
	case err != nil:
		return "", err
	case !info.Mode().IsRegular():
		return "", errors.New("it is not a file")
	}
	return path, nil
}

// database returns the open one at path, or nil.
func (w *world) database(path string) *database {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.databases[path]
}
