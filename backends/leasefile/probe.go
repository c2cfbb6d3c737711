package leasefile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// errUnfit: the file system lies where a register needs the truth.
var errUnfit = errors.New("this file system cannot hold a lock register")

// probe tries, once before the first swap, what every swap relies on. existing is
// a file of the caller, who removes it after an error. If others removed it before,
// the file system seems unfit.
func (r *Register) probe(existing string) error {
	if r.probed.Load() {
		return nil
	}
	f, err := r.fs.OpenFile(existing, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err == nil {
		_ = f.Close()
		return unfit("it creates a file that exists")
	}
	dir := filepath.Dir(existing)
	missing := filepath.Join(dir, state{}.next().token())
	target := filepath.Join(dir, state{}.next().token())
	if err := r.fs.Rename(missing, target); err == nil {
		_ = r.fs.Remove(target)
		return unfit("it renames a file that is missing")
	}
	r.probed.Store(true)
	return nil
}

// probeDir tries what the creation of the register relies on. dir is not empty, and
// the caller's, as in probe.
func (r *Register) probeDir(dir string) error {
	empty := r.scratch(state{}.next())
	if err := r.fs.Mkdir(empty, 0o777); err != nil {
		return explain(filepath.Dir(r.dir), err)
	}
	if err := r.fs.Rename(empty, dir); err == nil {
		return unfit("it renames a directory over one that is not empty")
	}
	return r.fs.Remove(empty)
}

func unfit(what string) error {
	return fmt.Errorf("%w: %s; %s", errUnfit, what, elsewhere)
}
