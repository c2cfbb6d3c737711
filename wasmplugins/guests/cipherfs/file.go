package main

import (
	"crypto/cipher"
	"errors"
	"io"
)

// A cipherFile is open.
type cipherFile struct {
	system *system
	file   diskFile
	name   string
	aead   cipher.AEAD // nil while the file has no head
	buf    [sealed]byte
	number [8]byte
	first  past
	whole  [block]byte
}

func (c *cipherFile) Size() (int64, error) {
	info, err := c.file.Stat()
	if err != nil {
		return 0, err
	}
	return plainSize(info.Size()), nil
}

// A read of no more than peek at the beginning of a database is one that SQLite does not
// trust; one of more than mostPage is none of SQLite's.
const (
	peek     = 100
	mostPage = 64 << 10
)

func (c *cipherFile) ReadAt(p []byte, off int64) (got int, err error) {
	if err := c.known(); err != nil {
		return 0, err
	}
	for got < len(p) {
		n, from := (off+int64(got))/block, int((off+int64(got))%block)
		plain, err := c.load(n)
		if errors.Is(err, errDamaged) {
			err = c.excuse(n, plain, off, len(p))
		}
		if err != nil {
			return got, err
		}
		if from >= len(plain) {
			return got, io.EOF
		}
		got += copy(p[got:], plain[from:])
		if len(plain) < block {
			break
		}
	}
	if got < len(p) {
		return got, io.EOF
	}
	return got, nil
}

// excuse returns nil if whoever reads size bytes at off is to get a damaged block, which
// has zeros in it and gets a mark if somebody copies it. One that is too short for that is
// shorter than any page.
func (c *cipherFile) excuse(n int64, plain []byte, off int64, size int) error {
	switch {
	case off+int64(size) <= peek:
		return nil
	case size > mostPage:
		if len(plain) >= markSize {
			copy(plain, c.system.mark)
		}
		return nil
	}
	return c.damaged(n)
}

// known reads the head if there was none when the file was opened.
func (c *cipherFile) known() error {
	if c.aead != nil {
		return nil
	}
	info, err := c.file.Stat()
	if err != nil {
		return err
	}
	return c.begin(info.Size())
}

// headed reads the head, or writes it.
func (c *cipherFile) headed() error {
	if err := c.known(); err != nil || c.aead != nil {
		return err
	}
	return c.create()
}

func (c *cipherFile) WriteAt(p []byte, off int64) (done int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	if err := c.headed(); err != nil {
		return 0, err
	}
	if err := c.extend(off); err != nil {
		return 0, err
	}
	for done < len(p) {
		n, from := (off+int64(done))/block, int((off+int64(done))%block)
		part := p[done:min(len(p), done+block-from)]
		if err := c.put(n, from, part); err != nil {
			return done, err
		}
		done += len(part)
	}
	return done, nil
}

// put writes a part of a block. A damaged block is mended by writing the whole of it, or
// all that there is of it.
func (c *cipherFile) put(n int64, from int, part []byte) error {
	if len(part) == block {
		return c.store(n, part)
	}
	old, err := c.load(n)
	if errors.Is(err, errDamaged) && (from > 0 || len(part) < len(old)) {
		return c.damaged(n)
	}
	if err != nil && !errors.Is(err, errDamaged) {
		return err
	}
	size := max(len(old), from+len(part))
	plain := c.whole[:size]
	clear(plain[copy(plain, old):])
	copy(plain[from:], part)
	return c.store(n, plain)
}

// extend writes what is missing between the end and the block of off as zeros: a block
// that was never written cannot be told from one that somebody wiped.
func (c *cipherFile) extend(off int64) error {
	size, err := c.Size()
	if err != nil {
		return err
	}
	for size/block < off/block {
		if err := c.fill(size / block); err != nil {
			return err
		}
		size = (size/block + 1) * block
	}
	return nil
}

// fill makes a short block a whole one. If it is damaged it stays so.
func (c *cipherFile) fill(n int64) error {
	old, err := c.load(n)
	if errors.Is(err, errDamaged) {
		return c.spoil(n, block)
	}
	if err != nil {
		return err
	}
	clear(c.whole[copy(c.whole[:], old):])
	return c.store(n, c.whole[:])
}

func (c *cipherFile) Truncate(size int64) error {
	if err := c.known(); err != nil {
		return err
	}
	now, err := c.Size()
	switch {
	case err != nil:
		return err
	case size == now && now > 0:
		return nil
	case size > now:
		return c.grow(now, size)
	case c.aead == nil:
		if size > 0 {
			return c.damaged(size / block)
		}
		return c.file.Truncate(0)
	case size%block == 0:
		return c.file.Truncate(sealedSize(size))
	}
	return c.cut(size)
}

// cut shortens the file to the middle of a block. A crash on the way leaves it with the
// whole block or, in place of it, with a damaged one.
func (c *cipherFile) cut(size int64) error {
	n, rest := size/block, size%block
	last, err := c.load(n)
	if errors.Is(err, errDamaged) {
		return c.damaged(n)
	}
	if err != nil {
		return err
	}
	short := c.whole[:copy(c.whole[:rest], last)]
	if err := c.store(n, short); err != nil {
		return err
	}
	return c.file.Truncate(sealedSize(size))
}

// grow adds zeros.
func (c *cipherFile) grow(now, size int64) error {
	if size%block == 0 {
		return c.growTo(size)
	}
	_, err := c.WriteAt([]byte{0}, size-1)
	return err
}

// growTo adds zeros up to the end of a block.
func (c *cipherFile) growTo(size int64) error {
	if err := c.headed(); err != nil {
		return err
	}
	return c.extend(size)
}

func (c *cipherFile) Sync() error  { return c.file.Sync() }
func (c *cipherFile) Close() error { return c.file.Close() }
