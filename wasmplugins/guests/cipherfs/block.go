package main

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/holdfastdb/holdfast/wasmplugins/guest"
)

const (
	block    = 4096
	overhead = chacha20poly1305.NonceSizeX + chacha20poly1305.Overhead
	sealed   = block + overhead
)

// plainSize is how much is in a file of so many bytes.
func plainSize(size int64) int64 {
	size -= int64(headSize)
	if size <= 0 {
		return 0
	}
	return size/sealed*block + max(0, size%sealed-overhead)
}

// sealedSize is the size of a file that has so much.
func sealedSize(size int64) int64 {
	whole, rest := size/block, size%block
	n := int64(headSize) + whole*sealed
	if rest > 0 {
		n += rest + overhead
	}
	return n
}

// isSide reports whether a file is a journal or a WAL.
func isSide(name string) bool {
	return strings.HasSuffix(name, "-journal") || strings.HasSuffix(name, "-wal")
}

// errDamaged says of a block that its tag is wrong.
var errDamaged = errors.New("damaged")

func (c *cipherFile) damaged(n int64) error {
	return fmt.Errorf("%w: block %d of %s, which has its bytes %d to %d, was changed, or torn by a crash", guest.ErrDamaged, n, c.name, n*block, (n+1)*block-1)
}

// load returns what is in a block, which may be less than a whole one, until the next
// load or store. If the block is damaged, what it returns is zeros, as many as there were.
func (c *cipherFile) load(n int64) ([]byte, error) {
	got, err := c.file.ReadAt(c.buf[:], int64(headSize)+n*sealed)
	if err != nil && err != io.EOF {
		return nil, err
	}
	if got <= overhead {
		return nil, nil // a block that is not there, or of which nothing is
	}
	nonce, text := c.buf[:chacha20poly1305.NonceSizeX], c.buf[chacha20poly1305.NonceSizeX:got]
	if n == 0 && c.first.is(nonce, text) {
		return text[:copy(text, c.first.plain)], nil
	}
	if c.aead != nil {
		var known past
		if n == 0 {
			known = remember(nonce, text)
		}
		if plain, err := c.aead.Open(text[:0], nonce, text, c.additional(n)); err == nil {
			if n == 0 {
				known.plain = bytes.Clone(plain)
				c.first = known
			}
			return plain, nil
		}
	}
	plain := text[:got-overhead]
	clear(plain)
	return plain, errDamaged
}

// A past is what was in a block when it had a nonce and a tag. SQLite looks at the first
// block of a database in each transaction, to see whether others wrote it meanwhile: as
// long as nonce and tag are the same they did not.
type past struct {
	nonce [chacha20poly1305.NonceSizeX]byte
	tag   [chacha20poly1305.Overhead]byte
	plain []byte // nil if nothing is remembered
}

// remember returns the past of a block without what is in it.
func remember(nonce, text []byte) (p past) {
	copy(p.nonce[:], nonce)
	copy(p.tag[:], text[len(text)-len(p.tag):])
	return p
}

// is reports whether a block is as it was.
func (p *past) is(nonce, text []byte) bool {
	return p.plain != nil && len(text) == len(p.plain)+len(p.tag) &&
		bytes.Equal(p.nonce[:], nonce) && bytes.Equal(p.tag[:], text[len(p.plain):])
}

// additional is what a tag stands for besides the bytes.
func (c *cipherFile) additional(n int64) []byte {
	binary.LittleEndian.PutUint64(c.number[:], uint64(n))
	return c.number[:]
}

// store writes a block, which is not in c.buf.
func (c *cipherFile) store(n int64, plain []byte) error {
	if len(plain) >= markSize && bytes.Equal(plain[:markSize], c.system.mark) {
		return c.spoil(n, len(plain))
	}
	out := c.buf[:chacha20poly1305.NonceSizeX]
	if _, err := rand.Read(out); err != nil {
		return err
	}
	out = c.aead.Seal(out, out, plain, c.additional(n))
	_, err := c.file.WriteAt(out, int64(headSize)+n*sealed)
	return err
}

// markSize is the size of the mark that whoever copies a file gets for a damaged block.
const markSize = 32

// spoil writes a block that is damaged.
func (c *cipherFile) spoil(n int64, size int) error {
	out := c.buf[:size+overhead]
	clear(out)
	_, err := c.file.WriteAt(out, int64(headSize)+n*sealed)
	return err
}
