// Package fstype tells on what kind of file system a path lies, and whether other
// hosts may have that file system open as well.
//
// That is asked in order to choose a lock, so it errs on one side: what is not
// known to be local counts as network, because a lease is right on both.
package fstype

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// A Type is a kind of file system.
type Type struct {
	Name    string // the system's own name, such as "ext4", "nfs4" or "fuse.sshfs"
	Network bool   // other hosts may have it open as well
}

// Of returns the type of the file system of a file. For one that does not exist
// yet it is that of the directory where it would be created.
//
// The error is [fs.ErrNotExist] if there is no such directory either.
func Of(path string) (Type, error) {
	place, err := existing(path)
	if err == nil {
		var t Type
		if t, err = of(place); err == nil {
			return t, nil
		}
	}
	return Type{}, fmt.Errorf("fstype: file system of %q: %w", path, err)
}

// existing returns path, or the directory that it would be created in. A symbolic
// link to nowhere leads to the directory of its target.
func existing(path string) (string, error) {
	for { // links in a circle have an error of their own
		if _, err := os.Stat(path); err == nil || !errors.Is(err, fs.ErrNotExist) {
			return path, err
		}
		target, err := os.Readlink(path)
		if err != nil {
			dir := filepath.Dir(path)
			_, err = os.Stat(dir)
			return dir, err
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		path = target
	}
}
