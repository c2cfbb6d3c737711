package fence

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"math"

	"github.com/holdfastdb/holdfast/locking"
)

// A rollback journal is a row of segments. Each begins at a sector's boundary with a
// header, alone in its sector, that counts the records after it. A record is a page
// as it was before the transaction, with 8 bytes more.
//
// The checksum of a record covers one byte of 200, so it does not tell a record that
// was read too early, half old and half new. What makes records safe to read is that
// SQLite syncs them before it writes their number into the header. That holds for a
// reader as well, if it reads the header first, and the records by reads that began
// after that. One pass over the file does not do so, whatever its order: the kernel
// reads ahead, a page of the cache holds the end of a segment and the next header,
// and a server that copies by itself has an order of its own.
//
// So there are two passes, each on a file that was opened anew. The first copies the
// headers, and fixes by that which records count. The second copies the records that
// they count, and takes the headers from the copy. A segment that began in between is
// left out: its pages were changed in the database after that had been copied.
//
// https://sqlite.org/fileformat2.html#the_rollback_journal, and readJournalHdr and
// pager_playback in SQLite's pager.c.
const (
	journalMagic  = "\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"
	headerSize    = 28
	recordExtra   = 8 // page number and checksum
	minSectorSize = 32
	minPageSize   = 512
	maxSize       = 1 << 16 // of a sector and of a page
	toTheEnd      = math.MaxUint32
)

// segments calls visit for each segment of a journal of that size: where its header
// is, where its records begin, and where they end. It returns where the last one
// ends, 0 if there is none. It stops where SQLite would.
func segments(r io.ReaderAt, size int64, visit func(header []byte, at, records, end int64) error) (end int64, err error) {
	var header [headerSize]byte
	var sector, page int64
	for at := int64(0); at+max(sector, headerSize) <= size; {
		n, err := readFull(r, header[:], at)
		if err != nil {
			return end, err
		}
		if n < headerSize || string(header[:8]) != journalMagic {
			return end, nil
		}
		if at == 0 {
			sector, page = int64(binary.BigEndian.Uint32(header[20:])), int64(binary.BigEndian.Uint32(header[24:]))
			if !power(sector, minSectorSize) || !power(page, minPageSize) || sector > size {
				return 0, nil
			}
		}
		records := at + sector
		count := binary.BigEndian.Uint32(header[8:])
		next := records + int64(count)*(page+recordExtra)
		if count == toTheEnd {
			next = size
		}
		end = min(next, size)
		if err := visit(header[:], at, records, end); err != nil {
			return end, err
		}
		at = (next + sector - 1) / sector * sector
	}
	return end, nil
}

// power reports whether n is a power of two that a size may be.
func power(n, least int64) bool { return n >= least && n <= maxSize && n&(n-1) == 0 }

// copyHeaders is the first pass. A journal without a valid header is none for SQLite
// either, and is not copied.
func (c *copier) copyHeaders(context.Context) error {
	src, info, err := c.open(c.from + journalSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer src.Close()
	var sector []byte
	c.journalEnd, err = segments(src, info.Size(), func(header []byte, at, records, _ int64) error {
		if at == 0 {
			if c.journal, err = c.create(c.to+journalSuffix, info); err != nil {
				return err
			}
			sector = make([]byte, records)
		}
		copy(sector, header)
		return writeFull(c.journal, sector, at)
	})
	if err != nil || c.journal == nil {
		return err
	}
	// SQLite ignores a journal that is shorter than what it takes for a sector itself,
	// and this one may become shorter by what is left out. Zeros are no header.
	if least := min(info.Size(), maxSize); least > c.journalEnd {
		if err := writeFull(c.journal, []byte{0}, least-1); err != nil {
			return err
		}
	}
	return copySuperName(c.journal, src, c.journalEnd, info.Size())
}

// copyRecords is the second pass. The records were all there when their header was
// read, so a journal that is shorter now was finished meanwhile.
func (c *copier) copyRecords(ctx context.Context) error {
	if c.journal == nil {
		return nil
	}
	src, _, err := c.open(c.from + journalSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return locking.ErrMoved
	}
	if err != nil {
		return err
	}
	defer src.Close()
	_, err = segments(c.journal, c.journalEnd, func(_ []byte, _, records, end int64) error {
		reached, err := c.copyRange(ctx, c.journal, src, records, end)
		if err == nil && reached < end {
			return locking.ErrMoved
		}
		return err
	})
	return err
}

// A journal of a transaction over several databases ends with the name of its
// super-journal, which SQLite looks for at the very end of the file:
//
//	page number of the lock page, name, length of the name, checksum, magic
const (
	superTail = 16   // length, checksum and magic
	superHead = 4    // page number
	superMax  = 4096 // bytes of a name
)

// copySuperName copies such a name, if there is one beyond the last segment.
// Without it a transaction that was committed in all its databases would be rolled
// back in this one.
func copySuperName(dst, src File, covered, size int64) error {
	var tail [superTail]byte
	at := size - superTail
	if at < covered {
		return nil
	}
	n, err := readFull(src, tail[:], at)
	if err != nil || n < superTail || string(tail[8:]) != journalMagic {
		return err
	}
	length := int64(binary.BigEndian.Uint32(tail[:]))
	at -= length + superHead
	if length == 0 || length > superMax || at < covered {
		return nil
	}
	name := make([]byte, superHead+length+superTail)
	if n, err = readFull(src, name, at); err != nil || n < len(name) {
		return err
	}
	return writeFull(dst, name, at)
}
