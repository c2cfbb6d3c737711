package leasefile

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/holdfastdb/holdfast/locking"
)

const (
	elsewhere    = "keep the register elsewhere: lock=leasefile:///SOME/DIRECTORY"
	removeRemedy = "remove the directory when no process has the database open"
)

// explain adds the remedy to an error of writing in dir, if there is one to know.
func explain(dir string, err error) error {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return fmt.Errorf("%w; let this process write in %q, or %s", err, dir, elsewhere)
	}
	return err
}

// refused reports whether err is an answer, and not the loss of one: nothing has
// happened, and nothing will.
func refused(err error) bool {
	for _, answer := range []error{fs.ErrPermission, syscall.EROFS, syscall.ENOSPC, syscall.EDQUOT} {
		if errors.Is(err, answer) {
			return true
		}
	}
	return false
}

// inDoubt is the error of a rename that may have taken effect, or still may: it
// returned cause, and then, if also is not nil, a look failed too.
func inDoubt(cause, also error) error {
	if also == nil {
		return fmt.Errorf("%w: %w", locking.ErrDoubt, cause)
	}
	return fmt.Errorf("%w: %w, and then %w", locking.ErrDoubt, cause, also)
}
