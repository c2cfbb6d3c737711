package vfs

import (
	"os"
	"path/filepath"
	"sync"

	sqlitevfs "github.com/ncruces/go-sqlite3/vfs"
)

// A directory is that of a database under the kernel's locks, kept open while the
// database is. Each read transaction asks for two side files, and most commits sync a
// name: from an open directory, the path to it need not be walked each time. Over a
// lease nothing is kept that a network file system could answer from.
type directory struct {
	mu   sync.RWMutex // for reading while the file is in use
	file *os.File     // nil while it is not open; guarded by mu
}

// open opens the directory. If that fails it stays closed, and paths must do.
func (d *directory) open(path string) {
	if !syncsDirectories {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.file, _ = os.Open(path)
}

func (d *directory) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.file != nil {
		d.file.Close()
		d.file = nil
	}
}

// access is that of a [fileSystem], for a name in the directory. It reports
// whether the directory is open.
func (d *directory) access(base string, flag sqlitevfs.AccessFlag) (opened bool, err error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.file == nil {
		return false, nil
	}
	return true, accessAt(d.file, base, flag)
}

// sync is syncDir of a [fileSystem]. It reports whether the directory is open.
func (d *directory) sync() (opened bool, err error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.file == nil {
		return false, nil
	}
	return true, syncOpenDir(d.file)
}

// syncDir makes the names of the database and of its side files durable.
func (d *database) syncDir() error {
	if opened, err := d.dir.sync(); opened {
		return err
	}
	return d.vfs.files.syncDir(filepath.Dir(d.path))
}
