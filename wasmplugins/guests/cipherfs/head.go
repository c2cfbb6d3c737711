package main

import (
	"bytes"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/holdfastdb/holdfast/wasmplugins/guest"
)

// The head of a file. It is written once, and stays when the file is emptied: whoever has
// the file open knows its key.
const (
	magic     = "holdfast cipher1"
	idSize    = 32
	checkSize = 16
	headSize  = len(magic) + idSize + checkSize
)

// derive returns the key of the file with an id, and the value that tells whether it is
// the right one.
func (s *system) derive(id []byte) (key, check []byte, err error) {
	both, err := hkdf.Key(sha256.New, s.key, id, "holdfast cipherfs 1", chacha20poly1305.KeySize+checkSize)
	if err != nil {
		return nil, nil, err
	}
	return both[:chacha20poly1305.KeySize], both[chacha20poly1305.KeySize:], nil
}

// begin reads the head of a file of so many bytes, if it has one.
func (c *cipherFile) begin(size int64) error {
	c.aead = nil
	if size == 0 {
		return nil
	}
	head := make([]byte, headSize)
	if _, err := c.file.ReadAt(head, 0); err != nil && err != io.EOF {
		return err
	}
	if isTorn(head) || size < int64(headSize) && bytes.HasPrefix(head, []byte(magic)) {
		return nil // whoever wrote it first did not live to sync it
	}
	if !bytes.HasPrefix(head, []byte(magic)) {
		return fmt.Errorf("%w: %s is not encrypted by cipherfs", guest.ErrDamaged, c.name)
	}
	id, check := head[len(magic):len(magic)+idSize], head[len(magic)+idSize:]
	key, want, err := c.system.derive(id)
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare(check, want) == 0 {
		return fmt.Errorf("%w: wrong key: %s was encrypted with another one, or its first 64 bytes are damaged", guest.ErrInvalid, c.name)
	}
	c.aead, err = chacha20poly1305.NewX(key)
	return err
}

// isTorn reports whether a head is one of which only the beginning was written.
func isTorn(head []byte) bool {
	written := bytes.TrimRight(head, "\x00")
	n := min(len(written), len(magic))
	return len(written) <= headSize-checkSize/2 && string(written[:n]) == magic[:n]
}

// create writes the head of a file that has none.
func (c *cipherFile) create() error {
	id := make([]byte, idSize)
	if _, err := rand.Read(id); err != nil {
		return err
	}
	key, check, err := c.system.derive(id)
	if err != nil {
		return err
	}
	head := append(append([]byte(magic), id...), check...)
	if _, err := c.file.WriteAt(head, 0); err != nil {
		return err
	}
	c.aead, err = chacha20poly1305.NewX(key)
	return err
}
