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
func (b *body) read(p []byte, off int64, held bool) (int, error) {
	if !held {
		b.db.mu.Lock()
		defer b.db.mu.Unlock()
		if err := b.awake(); err != nil {
			return 0, err
		}
	}
	return b.current().ReadAt(p, off)
}

func (b *body) write(p []byte, off int64) (int, error) {
	b.dirty.Store(true)
	n, err := b.current().WriteAt(p, off)
	if err != nil {
		b.length.forget()
		return n, err
	}
	b.length.reaches(off + int64(n))
	if off == 0 && len(p) >= 20 {
		b.wal.Store(saysWAL(p))
	}
	return n, nil
}

func (b *body) truncate(size int64) error {
	b.dirty.Store(true)
	b.length.mu.Lock()
	defer b.length.mu.Unlock()
	b.length.known = false
	err := b.current().Truncate(size)
	if err == nil {
		b.length.bytes, b.length.known = size, b.db.leased
	}
	return err
}

// allocate sets space aside where that is cheap. On a network file system it would
// be two more round trips for each transaction that grows the database.
func (b *body) allocate(size int64) error {
	if b.db.leased {
		return nil
	}
	b.dirty.Store(true)
	return b.current().Allocate(size)
}

// size asks the file system once after each change by another host, since SQLite
// asks in every transaction. With the kernel's locks, anybody may have written.
func (b *body) size(held bool) (int64, error) {
	if !held {
		b.db.mu.Lock()
		defer b.db.mu.Unlock()
		if err := b.awake(); err != nil {
			return 0, err
		}
		return b.current().Size()
	}
	b.length.mu.Lock() // so that nobody extends the file between asking and knowing
	defer b.length.mu.Unlock()
	if b.length.known {
		return b.length.bytes, nil
	}
	size, err := b.current().Size()
	if err == nil {
		b.length.bytes, b.length.known = size, b.db.leased
	}
	return size, err
}

// sync makes the database durable and, the first time after it was created, its name.
func (b *body) sync(how durability) error {
	b.dirty.Store(false)
	err := b.current().Sync(how)
	if err == nil && b.created.CompareAndSwap(true, false) {
		err = b.db.syncDir()
	}
	if err != nil {
		b.dirty.Store(true)
	}
	return err
}
