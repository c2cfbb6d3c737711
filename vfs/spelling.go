package vfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/holdfastdb/holdfast/locking"
)

// mayBeLeased refuses a name under which not all that belongs to a database could be
// found, or created, by every process that leases it.
func (d *database) mayBeLeased() error {
	if err := locking.CheckName(filepath.Base(d.path)); err != nil {
		return err
	}
	return d.vfs.spelled(d.path)
}

// spelled refuses the path of a database whose directory spells its name otherwise, on a
// file system that takes lower case for upper case, say, or one way to write an accent for
// another. What lies beside a database is found by listing the directory. Under another
// spelling, a hot journal would not be.
func (v *VFS) spelled(path string) error {
	dir, base := filepath.Split(path)
	marker := base + markerSuffix
	found, err := v.files.list(dir, func(name string) bool { return name == base || name == marker })
	if err != nil || slices.Contains(found, base) {
		return err
	}
	for _, name := range []string{base, marker} {
		if slices.Contains(found, name) {
			continue
		}
		other, err := v.listedAs(dir, name)
		if err != nil {
			return err
		}
		if other != "" {
			return fmt.Errorf("%+q is spelled %+q in its directory: spell the database so everywhere", name, other)
		}
	}
	return nil
}

// listedAs returns the name under which a file is listed that was not under its own, or
// "" if there is none: the file is not there, or was just created, and the listing of a
// network file system lags behind.
func (v *VFS) listedAs(dir, name string) (other string, err error) {
	info, err := v.files.stat(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	all, err := v.files.list(dir, func(string) bool { return true })
	for _, other := range all {
		path := filepath.Join(dir, other)
		found, err := v.files.stat(path)
		if err != nil || other == name || !os.SameFile(info, found) {
			continue
		}
		if _, linked, _ := v.files.resolve(path); !linked {
			return other, nil
		}
	}
	return "", err
}
