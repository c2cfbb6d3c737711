package fence

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
)

// Remove removes a file with its journal and WAL, and makes that durable. The
// database goes first: without its journal it could be taken for a whole one. It is
// no error if there is none of them.
func Remove(ctx context.Context, files FS, name string) error {
	for _, suffix := range []string{"", journalSuffix, walSuffix} {
		err := context.Cause(ctx)
		if err == nil {
			err = files.Remove(name + suffix)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("fence: remove %q: %w", name+suffix, err)
		}
	}
	if err := files.SyncDir(); err != nil {
		return fmt.Errorf("fence: remove %q: %w", name, err)
	}
	return nil
}
