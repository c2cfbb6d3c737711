//go:build unix

package fence

import (
	"errors"
	"syscall"
)

// IsFull reports whether err comes from a disk, or from a quota, that is full.
func IsFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// IsReadOnly reports whether err comes from a file system mounted read-only.
func IsReadOnly(err error) bool { return errors.Is(err, syscall.EROFS) }
