package files

import (
	"errors"
	"io/fs"
	"syscall"

	"github.com/holdfastdb/holdfast/wasmplugins/guest"
)

// causes are errors of the operating system, and of package io/fs, that the host tells from
// others.
var causes = []struct {
	cause error
	known *guest.Error
}{
	{syscall.ENOSPC, guest.ErrNoSpace},
	{syscall.EROFS, guest.ErrReadOnly},
	{syscall.EISDIR, guest.ErrIsDir},
	{syscall.ENOTDIR, guest.ErrNotDir},
	{fs.ErrNotExist, guest.ErrNotExist},
	{fs.ErrExist, guest.ErrExist},
	{fs.ErrPermission, guest.ErrDenied},
}

// coded returns an error as one that the host knows.
func coded(err error) error {
	if err == nil || errors.As(err, new(*guest.Error)) {
		return err
	}
	for _, c := range causes {
		if errors.Is(err, c.cause) {
			return c.known.Say(err.Error())
		}
	}
	return err
}

// mostNames is how many bytes the names in a directory may take, each with a byte 0.
const mostNames = 1 << 20
