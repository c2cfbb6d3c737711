package vfs

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/holdfastdb/holdfast/locking"
)

// A Marker lies beside a database that is fenced, and says which register knows
// where it is. Without it a register that was deleted could not be told from one
// that was never used, and the database would be looked for under its plain name.
type Marker struct {
	Format   int    `json:"holdfast"` // MarkerFormat
	Register string `json:"register"` // ID of the register
	Lock     string `json:"lock"`     // URL of the lock, for people
}

// MarkerFormat is the version of the markers that this package writes.
const MarkerFormat = 1

// markerSuffix follows the plain name of the database.
const markerSuffix = ".holdfast"

// ErrAdopt: it is not known which file is the database.
var ErrAdopt = errors.New("run holdfast adopt to say which file is the database")

// ReadMarker reads the marker of the database at path. It returns fs.ErrNotExist if
// there is none, or only one that somebody has not finished writing.
func (v *VFS) ReadMarker(path string) (Marker, error) {
	var m Marker
	f, err := v.files.open(path+markerSuffix, os.O_RDONLY, 0)
	if err != nil {
		return m, err
	}
	defer f.Close()
	text := make([]byte, 4096)
	n, err := f.ReadAt(text, 0)
	switch text = text[:n]; {
	case err != nil && err != io.EOF:
		return m, err
	case n == 0 || text[n-1] != '\n' && n < cap(text):
		return m, fmt.Errorf("vfs: marker %q is not complete: %w", path+markerSuffix, fs.ErrNotExist)
	}
	if err := json.Unmarshal(text, &m); err != nil || m.Format != MarkerFormat || m.Register == "" {
		return m, fmt.Errorf("vfs: %q is no marker of this version of holdfast: remove it, if it is none of another version: %w", path+markerSuffix, locking.ErrForeign)
	}
	return m, nil
}

// WriteMarker writes the marker of the database at path, in place of any that is
// there, and makes it durable. Whoever can use the database can read it.
func (v *VFS) WriteMarker(path string, m Marker) error {
	var like fs.FileInfo
	all, err := v.Candidates(path)
	if err == nil && len(all) > 0 {
		like, err = v.files.stat(filepath.Join(filepath.Dir(path), cmp.Or(all[0].File, filepath.Base(path))))
	}
	if err != nil {
		return err
	}
	return v.writeMarkerLike(like, path, m)
}

// writeMarkerLike writes a marker with the permissions of another file, if there is one.
func (v *VFS) writeMarkerLike(like fs.FileInfo, path string, m Marker) error {
	name := path + markerSuffix
	if err := v.replaceMarker(like, name+"."+rand.Text()[:8], name, m); err != nil {
		return fmt.Errorf("vfs: write marker %q: %w", name, err)
	}
	return nil
}

func (v *VFS) replaceMarker(like fs.FileInfo, temporary, name string, m Marker) error {
	m.Format = MarkerFormat
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	f, err := v.files.open(temporary, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0666)
	if err != nil {
		return err
	}
	likeOther(f, like)
	_, err = f.WriteAt(append(text, '\n'), 0)
	if err == nil {
		err = f.Sync(durable)
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = v.files.rename(temporary, name)
	}
	if err != nil {
		return errors.Join(err, v.files.remove(temporary))
	}
	return v.files.syncDir(filepath.Dir(name))
}

// A Candidate is a file that may be the database.
type Candidate struct {
	File     string        // base name; "" is the plain name
	Epoch    locking.Epoch // in which the copy was begun; 0 for the plain name
	Size     int64         // bytes
	Modified time.Time     // when it was last written, by the clock of its file system
	Changes  uint32        // change counter in its header; 0 if that cannot be read
	Journal  bool          // a rollback journal beside it is to be played back
	WAL      bool          // a WAL lies beside it
}

// Candidates returns the files that may be the database at path: the one of its
// plain name, and copies, the latest epoch first. It changes nothing.
func (v *VFS) Candidates(path string) ([]Candidate, error) {
	dir, base := filepath.Split(path)
	names, err := v.files.list(dir, func(name string) bool { return strings.HasPrefix(name, base) })
	if err != nil {
		return nil, fmt.Errorf("vfs: look for %q: %w", path, err)
	}
	if !slices.Contains(names, base) {
		if err := v.spelled(path); err != nil {
			return nil, fmt.Errorf("vfs: look for %q: %w", path, err)
		}
	}
	var found []Candidate
	for _, name := range names {
		c := Candidate{File: name}
		if name == base {
			c.File = ""
		} else if of, epoch, ok := locking.ParseFileName(name); ok && of == base {
			c.Epoch = epoch
		} else {
			continue
		}
		c.Journal = slices.Contains(names, name+sides[0]) && v.isHot(filepath.Join(dir, name+sides[0]))
		c.WAL = slices.Contains(names, name+sides[1])
		if v.describe(filepath.Join(dir, name), &c) {
			found = append(found, c)
		}
	}
	slices.SortFunc(found, func(a, b Candidate) int { return strings.Compare(b.order(), a.order()) })
	return found, nil
}

func (c *Candidate) order() string { return fmt.Sprintf("%020d%s", c.Epoch, c.File) }

// describe reports whether name is a regular file, and fills in what it tells.
func (v *VFS) describe(name string, c *Candidate) bool {
	info, err := v.files.stat(name)
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	c.Size, c.Modified = info.Size(), info.ModTime()
	f, err := v.files.open(name, os.O_RDONLY, 0)
	if err != nil {
		return true
	}
	defer f.Close()
	var header [28]byte
	if n, _ := f.ReadAt(header[:], 0); n == len(header) && string(header[:len(magic)]) == magic {
		c.Changes = binary.BigEndian.Uint32(header[24:])
	}
	return true
}

// isHot reports whether a journal is more than one that was kept when it was finished.
//
// https://sqlite.org/lockingv3.html#hot_journals
func (v *VFS) isHot(journal string) bool {
	f, err := v.files.open(journal, os.O_RDONLY, 0)
	if err != nil {
		return true // it is for SQLite to say
	}
	defer f.Close()
	var first [1]byte
	n, _ := f.ReadAt(first[:], 0)
	return n == 1 && first[0] != 0
}

// copies returns the names of the copies of the database that there are.
func (d *database) copies() ([]string, error) {
	dir, base := filepath.Split(d.path)
	return d.vfs.files.list(dir, func(name string) bool {
		of, _, ok := locking.ParseFileName(name)
		return ok && of == base
	})
}

// isMissing looks whether there is no file of the plain name. It lists the directory: an
// NFS client may deny for a while what it did not find before.
func (d *database) isMissing() (bool, error) {
	dir, base := filepath.Split(d.path)
	found, err := d.vfs.files.list(dir, func(name string) bool { return name == base })
	return len(found) == 0, err
}

// isCopy refuses to open a copy of a database as if it were one.
func (d *database) isCopy() error {
	of, _, ok := locking.ParseFileName(filepath.Base(d.path))
	if !ok {
		return nil
	}
	plain := filepath.Join(filepath.Dir(d.path), of)
	if _, err := d.vfs.ReadMarker(plain); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return fmt.Errorf("it is a file of the database %q, which may be another one by now: open %[1]q", plain)
}

// agrees refuses a register that is not the one of the marker.
func (d *database) agrees(m Marker, at locking.Current) error {
	switch at.Register {
	case m.Register:
		return nil
	case "":
		return fmt.Errorf("%q says that its lock was %s, but the lock given now has never been used: give that lock, or, if it was deleted, %w",
			filepath.Base(d.path)+markerSuffix, m.Lock, ErrAdopt)
	}
	return fmt.Errorf("%q says that its lock was %s, but the lock given now is another one: give that lock, or %w",
		filepath.Base(d.path)+markerSuffix, m.Lock, ErrAdopt)
}

// locate asks the lock which file is the database, before anything is locked, and
// whether it can know. missing says whether there was none of the plain name, and then
// is told whether there is still none: somebody else may have begun the database since.
func (d *database) locate(ctx context.Context, missing *bool) (locking.Current, error) {
	m, err := d.vfs.ReadMarker(d.path)
	marked := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return locking.Current{}, err
	}
	if !d.leased {
		if marked {
			return locking.Current{}, fmt.Errorf("%q says that its lock is %s, which this one does not exclude: use that one", filepath.Base(d.path)+markerSuffix, m.Lock)
		}
		return locking.Current{}, nil
	}
	at, err := d.locker.Current(ctx)
	if err == nil && marked {
		err = d.agrees(m, at)
	}
	if err != nil {
		return at, err
	}
	if at.File == "" {
		if *missing {
			if *missing, err = d.isMissing(); err != nil {
				return at, err
			}
		}
		return at, d.mayBePlain(at, marked, *missing)
	}
	if of, _, _ := locking.ParseFileName(at.File); of != filepath.Base(d.path) {
		return at, fmt.Errorf("its lock says that it is %q, which is a file of the database %q: give each database a lock of its own, or, if this one was renamed, %w",
			at.File, of, ErrAdopt)
	}
	return at, nil
}

// mayBePlain refuses the plain name where it would begin an empty database, or go
// back to an old one.
func (d *database) mayBePlain(at locking.Current, marked, missing bool) error {
	if at.Register == "" {
		copies, err := d.copies()
		if err != nil {
			return err
		}
		if len(copies) > 0 {
			return fmt.Errorf("its lock has never been used, but there is %q beside it: %w", copies[0], ErrAdopt)
		}
	}
	if marked && missing {
		return fmt.Errorf("its lock says that it is here, and it is not: restore it, or %w; to begin an empty one, remove %q first",
			ErrAdopt, filepath.Base(d.path)+markerSuffix)
	}
	return nil
}

// mark sees to it that there is a marker, and that it agrees. Called with mu held,
// under a level.
func (d *database) mark(marked bool, at locking.Current) error {
	if at.Register == "" {
		return nil
	}
	if marked {
		switch m, err := d.vfs.ReadMarker(d.path); {
		case err == nil:
			return d.agrees(m, at)
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
	}
	if !d.fenced || !d.body.Load().writes {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), openTimeout)
	defer cancel()
	status, err := d.locker.Status(ctx)
	if err == nil {
		err = d.vfs.writeMarkerLike(d.body.Load().like(), d.path, Marker{Register: at.Register, Lock: status.Lock})
	}
	if err != nil && !unwritable(err) {
		slog.Warn("vfs: without its marker, a database is not safe from a lock that is deleted", "database", d.path, "err", err)
	}
	return nil
}
