package remotedir

import (
	"errors"
	"io/fs"
	"path/filepath"
)

// Has asks the server whether a file is in the directory. The answer was true at some
// moment of the call. Where nobody can be asked by name the error is
// [errors.ErrUnsupported]. It is so on everything but SMB, and until the directory was
// listed.
func (d *Dir) Has(name string) (bool, error) {
	where := d.place.Load()
	if where == nil || !where.smb || where.mute.Load() {
		return false, errors.ErrUnsupported
	}
	path := filepath.Join(d.path, name)
	if err := d.kernel.ask(path); err != nil {
		if errors.Is(err, errors.ErrUnsupported) {
			where.mute.Store(true)
		}
		return false, missing(err)
	}
	// The kernel finds a file and then asks by the name that it has by then. In
	// between a process of this machine may have renamed it.
	device, err := d.kernel.deviceOf(path)
	if err == nil && device != where.device {
		err = errors.ErrUnsupported // another file system was mounted over it
	}
	return err == nil, missing(err)
}

// missing returns nil if err says that a file does not exist.
func missing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
