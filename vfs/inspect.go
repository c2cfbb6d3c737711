package vfs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/holdfastdb/holdfast/internal/fence"
	"github.com/ncruces/go-sqlite3"
	sqlitevfs "github.com/ncruces/go-sqlite3/vfs"
)

// magic is how every SQLite database begins.
//
// https://sqlite.org/fileformat2.html#magic_header_string
const magic = "SQLite format 3\x00"

// exists refuses what is not there, or is no file.
func (b *body) exists() error {
	info, err := b.db.vfs.files.stat(b.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("it does not exist: check the path, or create it with mode=rwc: %w", fs.ErrNotExist)
	case err != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("%w: name a file in it", errDirectory)
	case !info.Mode().IsRegular():
		return errors.New("it is not a regular file")
	}
	b.perm = info.Mode().Perm()
	return nil
}

// openExisting opens the bytes of a file that is there and can be a database.
func (b *body) openExisting(flag int) (writes bool, err error) {
	if err := b.exists(); err != nil {
		return false, err
	}
	if b.db.leased {
		writes, err = b.openToLook(flag)
	} else {
		writes, err = b.reach(flag, b.perm)
	}
	if err != nil {
		return false, err
	}
	return writes, b.looksRight()
}

// slowOpening is how long it takes to open a file that somebody has to give back first.
const slowOpening = time.Second

// openToLook opens the bytes for reading, and returns whether they can be written.
// Under a lease they are opened anew before anything is done with them. For writing
// that is soon enough: while an unreachable holder has them open, it can take as long
// as the server waits for that one, and it may be that they are never written.
func (b *body) openToLook(flag int) (writes bool, err error) {
	opened := make(chan struct{})
	var others sync.WaitGroup
	others.Go(func() {
		select {
		case <-opened:
		case <-time.After(slowOpening):
			// Then its journal may take as long, and is needed next.
			b.db.vfs.storage(b.db.path).callBack(filepath.Base(b.path))
		}
	})
	_, err = b.reach(os.O_RDONLY, b.perm)
	close(opened)
	others.Wait()
	if err != nil || flag&os.O_RDWR == 0 {
		return false, err
	}
	switch err := b.db.vfs.files.mayWrite(b.path); {
	case err == nil:
		writes = true
	case !unwritable(err):
		return false, err
	}
	b.db.mu.Lock()
	defer b.db.mu.Unlock()
	b.writes = writes
	return writes, nil
}

// looksRight refuses what is certainly no database, before anything is created
// beside it. The first page may be missing, or be zeros, or only in the journal,
// while a database is young or its last writer crashed: SQLite decides on those.
func (b *body) looksRight() error {
	head := make([]byte, len(magic))
	n, err := b.current().ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return err
	}
	head = head[:n]
	if strings.HasPrefix(magic, string(head)) || len(bytes.Trim(head, "\x00")) == 0 {
		return nil
	}
	for _, side := range sides {
		if b.db.vfs.files.access(b.path+side, sqlitevfs.ACCESS_EXISTS) == nil {
			return nil
		}
	}
	return fmt.Errorf("it is something else, or encrypted; nothing was changed: %w", sqlite3.NOTADB)
}

// mayCreate refuses to create a database where its journal could not be created.
func (d *database) mayCreate() error {
	dir := filepath.Dir(d.path)
	if err := d.vfs.files.access(dir, sqlitevfs.ACCESS_READWRITE); unwritable(err) {
		return fmt.Errorf("it does not exist and %w: grant write access to %q: %w", errReadOnlyDirectory, dir, err)
	}
	return nil
}

// identify refuses a file that goes by two names, since journals, and leases, are
// found by name: two writers would not see each other.
func (d *database) identify(b *body) error {
	info, err := b.current().Stat()
	if err != nil {
		return err
	}
	b.info.Store(&info)
	for _, other := range d.vfs.others(d) {
		if other.is(info) {
			return errors.New("this process has the same file open under another name: use one name for it")
		}
	}
	n := links(info)
	if n > 1 && d.leased {
		return fmt.Errorf("it has %d names (hard links), and each would get a lease of its own: remove the others, or make them symbolic links", n)
	}
	if n > 1 {
		slog.Warn("vfs: a database with several names (hard links) is damaged if a crash under one is followed by use under another",
			"database", b.path, "names", n)
	}
	return nil
}

// others returns the bodies of all open databases but d.
func (v *VFS) others(d *database) []*body {
	v.mu.Lock()
	defer v.mu.Unlock()
	var open []*body
	for _, other := range v.databases {
		if b := other.body.Load(); other != d && b != nil && b.content.Load() != nil {
			open = append(open, b)
		}
	}
	return open
}

// is reports whether info describes the file. Only if that was so when the file was
// opened is it asked again, since the server of another database may not answer.
func (b *body) is(info fs.FileInfo) bool {
	was := b.like()
	if was == nil || !os.SameFile(info, was) {
		return false
	}
	now, err := b.stat()
	return err == nil && os.SameFile(info, now)
}

// stat describes the open file, or the one of its name if it is closed for a while.
func (b *body) stat() (fs.FileInfo, error) {
	info, err := b.current().Stat()
	if isClosed(err) {
		return b.db.vfs.files.stat(b.path)
	}
	return info, err
}

// moved reports whether the name leads to another file than the open one.
func (b *body) moved() (bool, error) {
	if _, host := b.db.vfs.files.(hostFS); !host {
		return false, nil // files have no identity there
	}
	named, err := b.db.vfs.files.stat(b.path)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	open, err := b.current().Stat()
	if errors.Is(err, fs.ErrClosed) {
		return false, nil // it is just being opened again, by name
	}
	return err == nil && !os.SameFile(named, open), err
}

// unwritable reports whether err says that something may be read only.
func unwritable(err error) bool {
	return errors.Is(err, fs.ErrPermission) || fence.IsReadOnly(err)
}
