package vfs

import "path/filepath"

// read reads the database. Without a level, it keeps the file from being opened
// anew meanwhile: SQLite reads the header once before it locks.
func (d *database) read(p []byte, off int64, held bool) (int, error) {
	if !held {
		d.mu.Lock()
		defer d.mu.Unlock()
	}
	return d.current().ReadAt(p, off)
}

func (d *database) size(held bool) (int64, error) {
	if !held {
		d.mu.Lock()
		defer d.mu.Unlock()
	}
	return d.current().Size()
}

// sync makes the database durable and, the first time after it was created, its name.
func (d *database) sync(how durability) error {
	d.dirty.Store(false)
	err := d.current().Sync(how)
	if err == nil && d.created.CompareAndSwap(true, false) {
		err = d.vfs.files.syncDir(filepath.Dir(d.path))
	}
	if err != nil {
		d.dirty.Store(true)
	}
	return err
}
