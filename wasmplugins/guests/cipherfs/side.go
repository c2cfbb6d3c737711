package main

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"io"
	"slices"

	"golang.org/x/crypto/chacha20poly1305"
)

// A sideFile is a journal or a WAL, or a piece of one. SQLite adds to it behind what it
// relies on, often in the same block. So a block has three slots, and is written to one
// that has neither what was written last, which a write that fails must not take along,
// nor what was synced last, which is all that a power cut leaves. A slot is a nonce, the
// run that it was written in, the number of the writing, the length and what is encrypted;
// run, number and length are under the tag as well.
type sideFile struct {
	cipherFile
	run    *run
	place  [placeSize]byte
	latest int64 // the block that was written last
	last   past  // what was written to it
}

// A run is what is written to a journal or a WAL between two syncs. It belongs to the file,
// whose handles share it: to sync one of them syncs what the others wrote.
type run struct {
	id      [8]byte // random
	settled bool    // nothing was left unsynced before it, and nothing was cut since
}

// begin ends a run, and begins the next one.
func (r *run) begin(settled bool) {
	rand.Read(r.id[:])
	r.settled = settled
}

const (
	runAt     = chacha20poly1305.NonceSizeX
	numberAt  = runAt + 8
	lengthAt  = numberAt + 8
	slotHead  = lengthAt + 2
	slotSize  = slotHead + block + chacha20poly1305.Overhead
	slots     = 3
	placeSize = slots * slotSize
)

// A version is what one slot has of a block.
type version struct {
	slot   int
	number uint64
	plain  []byte
}

// about is what the tag of a slot stands for besides the bytes.
func (c *sideFile) about(n int64, head []byte) []byte {
	return binary.LittleEndian.AppendUint64(append([]byte(nil), head[runAt:slotHead]...), uint64(n))
}

// newest returns what a block has, until the next call; or nil if there is nothing that
// can be read.
func (c *sideFile) newest(n int64) (*version, error) {
	got, err := c.file.ReadAt(c.place[:], int64(headSize)+n*placeSize)
	if err != nil && err != io.EOF {
		return nil, err
	}
	clear(c.place[got:])
	if c.aead == nil {
		return nil, nil
	}
	number := func(slot int) uint64 { return binary.LittleEndian.Uint64(c.slot(slot)[numberAt:]) }
	order := []int{0, 1, 2}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(number(b), number(a)) })
	for _, slot := range order {
		if plain := c.unseal(n, c.slot(slot)); plain != nil {
			return &version{slot, number(slot), plain}, nil
		}
	}
	return nil, nil
}

// slot is one of the block that was read.
func (c *sideFile) slot(i int) []byte { return c.place[i*slotSize : (i+1)*slotSize] }

// unseal returns what is in a slot of a block, or nil.
func (c *sideFile) unseal(n int64, at []byte) []byte {
	size := int(binary.LittleEndian.Uint16(at[lengthAt:]))
	if size == 0 || size > block {
		return nil
	}
	text := at[slotHead : slotHead+size+chacha20poly1305.Overhead]
	if n == c.latest && c.last.is(at[:runAt], text) {
		return c.whole[:copy(c.whole[:], c.last.plain)]
	}
	plain, err := c.aead.Open(c.whole[:0], at[:runAt], text, c.about(n, at))
	if err != nil {
		return nil
	}
	return plain
}

// fresh reports whether a slot of the block that was read was written in this run.
func (c *sideFile) fresh(slot int) bool {
	return bytes.Equal(c.slot(slot)[runAt:numberAt], c.run.id[:])
}

// spare returns the slot to be written when one is the newest. The first write of a run
// goes to the slot that follows the synced one, and the others go to the two that are not
// synced, in turn.
func (c *sideFile) spare(newest int) int {
	before := (newest + slots - 1) % slots
	if c.fresh(newest) && c.fresh(before) {
		return before
	}
	return (newest + 1) % slots
}

// rewrite changes a part of a block, and its size to what resize makes of the present one.
// There are zeros where nothing was written.
func (c *sideFile) rewrite(n int64, from int, part []byte, resize func(size int) int) error {
	old, err := c.newest(n)
	if err != nil {
		return err
	}
	if !c.run.settled && (old == nil || !c.fresh(old.slot)) {
		// What is to stay may not be synced, and what was cut may come back.
		if err := c.Sync(); err != nil {
			return err
		}
	}
	next := version{}
	if old != nil {
		next = version{c.spare(old.slot), old.number + 1, old.plain}
	}
	plain := c.whole[:resize(len(next.plain))]
	clear(plain[min(len(plain), len(next.plain)):])
	copy(plain[from:], part)
	next.plain = plain
	return c.seal(n, next)
}

// put writes a part of a block.
func (c *sideFile) put(n int64, from int, part []byte) error {
	return c.rewrite(n, from, part, func(size int) int { return max(size, from+len(part)) })
}

// seal writes a slot.
func (c *sideFile) seal(n int64, v version) error {
	out := c.place[:slotHead]
	if _, err := rand.Read(out[:runAt]); err != nil {
		return err
	}
	copy(out[runAt:], c.run.id[:])
	binary.LittleEndian.PutUint64(out[numberAt:], v.number)
	binary.LittleEndian.PutUint16(out[lengthAt:], uint16(len(v.plain)))
	out = c.aead.Seal(out, out[:runAt], v.plain, c.about(n, out))
	plain := append(c.last.plain[:0], v.plain...)
	c.latest, c.last = n, remember(out[:runAt], out[slotHead:])
	c.last.plain = plain
	_, err := c.file.WriteAt(out, int64(headSize)+n*placeSize+int64(v.slot)*slotSize)
	return err
}

// Size returns where the last block that can be read ends, or the one before the last
// block if that cannot.
func (c *sideFile) Size() (int64, error) {
	info, err := c.file.Stat()
	if err != nil {
		return 0, err
	}
	if c.aead == nil {
		if err := c.begin(info.Size()); err != nil {
			return 0, err
		}
	}
	last := (info.Size() - int64(headSize) - 1) / placeSize
	if info.Size() <= int64(headSize) {
		return 0, nil
	}
	v, err := c.newest(last)
	if v == nil || err != nil {
		return last * block, err
	}
	return last*block + int64(len(v.plain)), nil
}

func (c *sideFile) ReadAt(p []byte, off int64) (got int, err error) {
	if err := c.known(); err != nil {
		return 0, err
	}
	size := int64(-1) // not known
	for got < len(p) {
		n, from := (off+int64(got))/block, int((off+int64(got))%block)
		want := min(len(p)-got, block-from)
		v, err := c.newest(n)
		if err != nil {
			return got, err
		}
		if v != nil && len(v.plain) >= from+want {
			got += copy(p[got:got+want], v.plain[from:])
			continue
		}
		// What is missing is zeros, unless the file ends here.
		clear(p[got : got+want])
		if v != nil && from < len(v.plain) {
			copy(p[got:got+want], v.plain[from:])
		}
		if size < 0 {
			if size, err = c.Size(); err != nil {
				return got, err
			}
		}
		if rest := size - off - int64(got); rest < int64(want) {
			return got + int(max(0, rest)), io.EOF
		}
		got += want
	}
	return got, nil
}

func (c *sideFile) WriteAt(p []byte, off int64) (done int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	if err := c.headed(); err != nil {
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

func (c *sideFile) Truncate(size int64) error {
	now, err := c.Size()
	switch {
	case err != nil:
		return err
	case size > now:
		_, err := c.WriteAt([]byte{0}, size-1)
		return err
	case size == 0 && c.aead == nil:
		return c.file.Truncate(0)
	case size == 0:
		return c.shorten(int64(headSize))
	case size < now:
		return c.cut(size)
	}
	return nil
}

// cut shortens the file, though not to nothing.
func (c *sideFile) cut(size int64) error {
	last, rest := (size-1)/block, int((size-1)%block+1)
	v, err := c.newest(last)
	if err != nil {
		return err
	}
	if v == nil || len(v.plain) != rest {
		if err := c.rewrite(last, 0, nil, func(int) int { return rest }); err != nil {
			return err
		}
	}
	return c.shorten(int64(headSize) + (last+1)*placeSize)
}

// shorten cuts off whole blocks.
func (c *sideFile) shorten(size int64) error {
	c.run.settled = false
	return c.file.Truncate(size)
}

func (c *sideFile) Sync() error {
	if err := c.file.Sync(); err != nil {
		return err
	}
	c.run.begin(true)
	return nil
}
