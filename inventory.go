package holdfast

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/holdfastdb/holdfast/locking"
)

// An Inventory is what lies where a database should be, and what its register says.
type Inventory struct {
	Path   string         // of the database, absolute: its plain name
	Status locking.Status // as the register says, so far as it can be read

	// Damage says why the register cannot tell which file is the database, and so
	// nobody is let in: it is gone, cannot be read, belongs to another database, or
	// names a file that is not there. It is nil if all is well.
	Damage error

	// Candidates are the files that may be the database, the highest epoch first.
	Candidates []Candidate
}

// A Candidate is a file that may be the database.
type Candidate struct {
	File    string        // base name
	Epoch   locking.Epoch // in the name, which is when the file was made; 0 for the plain name
	Size    int64         // bytes
	Changed time.Time     // by the file system's clock
	Counter uint32        // SQLite's count of transactions, which is not kept in WAL mode
	Journal bool          // a journal beside it is to be played back
	WAL     bool          // it has a WAL beside it
}

// Inspect tells what lies where a database should be. It reads the register and the
// directory, acquires nothing and changes nothing. The name is a path or a data
// source name, as for [Open].
//
// It returns an error if there is no trace of a database, or its lock is no lease.
func Inspect(ctx context.Context, name string) (Inventory, error) {
	inv, err := inspect(ctx, name)
	if err != nil {
		return inv, fmt.Errorf("holdfast: inspect %q: %w", name, err)
	}
	return inv, nil
}

func inspect(ctx context.Context, name string) (inv Inventory, err error) {
	l, err := lookAt(ctx, name)
	if err != nil {
		return inv, err
	}
	defer func() { err = errors.Join(err, l.Close(ctx)) }()
	return l.inventory(ctx)
}

// inventory tells what a look shows.
func (l *look) inventory(ctx context.Context) (inv Inventory, err error) {
	inv.Path = l.path
	if inv.Candidates, err = candidates(l.path); err != nil {
		return inv, err
	}
	inv.Status, err = l.Status(ctx)
	switch {
	case errors.Is(err, locking.ErrRecord):
		inv.Damage = err
	case err != nil:
		return inv, err
	case inv.Status.Grade != locking.GradeFenced:
		return inv, fmt.Errorf("its lock is of grade %s, so the database never leaves its plain name", inv.Status.Grade)
	default:
		inv.Damage = damage(l.path, inv.Status)
	}
	return inv, nil
}

// damage says why a register cannot tell which file is the database.
func damage(path string, s locking.Status) error {
	base := filepath.Base(path)
	m, err := readMarker(path)
	if err != nil {
		return err
	}
	switch {
	case s.Database != "" && s.Database != base:
		return fmt.Errorf("register %s belongs to the database %q", s.Lock, s.Database)
	case m != nil && s.Register == "":
		return fmt.Errorf("register %s was never used, but %s%s says that there was one, %s: it was removed, or this is another one", s.Lock, base, markerSuffix, m.Lock)
	case m != nil && s.Register != m.Register:
		return fmt.Errorf("register %s is not the one that %s%s speaks of, %s: it was removed and made anew, or this is another one", s.Lock, base, markerSuffix, m.Lock)
	}
	all, err := candidates(path)
	if err != nil {
		return err
	}
	if s.Register == "" {
		for _, c := range all {
			if c.Epoch > 0 {
				return fmt.Errorf("register %s was never used, but there is %s, a copy that some register must have named", s.Lock, c.File)
			}
		}
		return nil
	}
	file := cmp.Or(s.File, base)
	if !slices.ContainsFunc(all, func(c Candidate) bool { return c.File == file }) {
		return fmt.Errorf("register %s says that the database is %s, which is not there", s.Lock, file)
	}
	return nil
}

// candidates lists the files that may be the database at path.
func candidates(path string) ([]Candidate, error) {
	dir, base := filepath.Split(path)
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	var all []Candidate
	for {
		names, err := d.Readdirnames(256) // the directory may be huge
		for _, name := range names {
			database, epoch, isCopy := locking.ParseFileName(name)
			if name != base && !(isCopy && database == base) {
				continue
			}
			c, err := candidate(filepath.Join(dir, name))
			if errors.Is(err, fs.ErrNotExist) {
				continue // it was removed just now
			}
			if err != nil {
				return nil, err
			}
			c.Epoch = epoch
			if name == base {
				c.Epoch = 0 // the name of a database may look like that of a copy
			}
			all = append(all, c)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(all, func(a, b Candidate) int {
		return cmp.Or(cmp.Compare(b.Epoch, a.Epoch), cmp.Compare(a.File, b.File))
	})
	return all, nil
}

// candidate looks at one file.
func candidate(path string) (Candidate, error) {
	c := Candidate{File: filepath.Base(path)}
	info, err := os.Stat(path)
	if err != nil {
		return c, err
	}
	c.Size, c.Changed = info.Size(), info.ModTime()
	// https://sqlite.org/fileformat2.html#file_change_counter
	if head := head(path, 28); len(head) == 28 {
		c.Counter = binary.BigEndian.Uint32(head[24:])
	}
	// A journal whose first byte is zero is finished: https://sqlite.org/lockingv3.html#hot_journals
	first := head(path+"-journal", 1)
	c.Journal = len(first) == 1 && first[0] != 0
	c.WAL = len(head(path+"-wal", 1)) == 1
	return c, nil
}

// head returns up to n bytes from the beginning of a file; none if it cannot be read.
func head(path string, n int) []byte {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	buf := make([]byte, n)
	n, _ = io.ReadFull(f, buf)
	return buf[:n]
}
