package vfs

import "sync"

// A length is the size of a file, as long as it is certain.
type length struct {
	mu    sync.Mutex
	bytes int64 // guarded by mu
	known bool  // guarded by mu
}

func (l *length) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known = false
}

// reaches is told after something was written that ends at end.
func (l *length) reaches(end int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bytes = max(l.bytes, end)
}

// read reads the database. Without a level, it keeps the file from being opened
// anew meanwhile: SQLite reads the header once before it locks.
func (d *database) read(p []byte, off int64, held bool) (int, error) {
	if !held {
		d.mu.Lock()
		defer d.mu.Unlock()
	}
	return d.current().ReadAt(p, off)
}

func (d *database) write(p []byte, off int64) (int, error) {
	d.dirty.Store(true)
	n, err := d.current().WriteAt(p, off)
	if err != nil {
		d.length.forget()
		return n, err
	}
	d.length.reaches(off + int64(n))
	if off == 0 && len(p) >= 20 {
		d.wal.Store(saysWAL(p))
	}
	return n, nil
}

func (d *database) truncate(size int64) error {
	d.dirty.Store(true)
	d.length.mu.Lock()
	defer d.length.mu.Unlock()
	d.length.known = false
	err := d.current().Truncate(size)
	if err == nil {
		d.length.bytes, d.length.known = size, d.leased
	}
	return err
}

// allocate sets space aside where that is cheap. On a network file system it would
// be two more round trips for each transaction that grows the database.
func (d *database) allocate(size int64) error {
	if d.leased {
		return nil
	}
	d.dirty.Store(true)
	return d.current().Allocate(size)
}

// size asks the file system once after each change by another host, since SQLite
// asks in every transaction. With the kernel's locks, anybody may have written.
func (d *database) size(held bool) (int64, error) {
	if !held {
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.current().Size()
	}
	d.length.mu.Lock() // so that nobody extends the file between asking and knowing
	defer d.length.mu.Unlock()
	if d.length.known {
		return d.length.bytes, nil
	}
	size, err := d.current().Size()
	if err == nil {
		d.length.bytes, d.length.known = size, d.leased
	}
	return size, err
}

// sync makes the database durable and, the first time after it was created, its name.
func (d *database) sync(how durability) error {
	d.dirty.Store(false)
	err := d.current().Sync(how)
	if err == nil && d.created.CompareAndSwap(true, false) {
		err = d.syncDir()
	}
	if err != nil {
		d.dirty.Store(true)
	}
	return err
}
