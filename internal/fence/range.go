package fence

import (
	"context"
	"io"
	"math"
)

const (
	bufferSize = 1 << 20       // bytes that go through this process at once
	untilEnd   = math.MaxInt64 // copy to where the file ends then
)

// copyRange copies bytes to the same place in another file, as far as the source
// goes, and returns where it stopped.
func (c *copier) copyRange(ctx context.Context, dst, src File, off, end int64) (int64, error) {
	off, err := c.copyInside(ctx, dst, src, off, end)
	if err != nil {
		return off, err
	}
	if c.buffer == nil && off < end {
		c.buffer = make([]byte, bufferSize)
	}
	for off < end {
		if err := context.Cause(ctx); err != nil {
			return off, err
		}
		b := c.buffer[:min(int64(len(c.buffer)), end-off)]
		n, err := src.ReadAt(b, off)
		if n > 0 {
			if err := writeFull(dst, b[:n], off); err != nil {
				return off, err
			}
			off += int64(n)
			if err := c.advance(dst, int64(n)); err != nil {
				return off, err
			}
		}
		switch {
		case err == io.EOF:
			return off, nil
		case err != nil:
			return off, err
		case n == 0:
			return off, io.ErrNoProgress
		}
	}
	return off, nil
}

// copyInside has the file system copy, which the server of a share does without
// sending a byte over the network. It stops where that is of no avail: what is left
// has to be read and written. An end of the file counts only if a read says so.
func (c *copier) copyInside(ctx context.Context, dst, src File, off, end int64) (int64, error) {
	for off < end {
		if err := context.Cause(ctx); err != nil {
			return off, err
		}
		n, err := copyFileRange(dst, src, off, min(c.pace.left(), end-off))
		switch {
		case IsFull(err):
			return off, err
		case err != nil, n <= 0:
			return off, nil // it cannot, or not between these two, or something is wrong that a read or a write will name
		}
		off += n
		if err := c.advance(dst, n); err != nil {
			return off, err
		}
	}
	return off, nil
}

func (c *copier) advance(dst File, n int64) error {
	c.copied += n
	c.total = max(c.total, c.copied)
	c.progress(c.copied, c.total)
	return c.pace.advance(n, dst.Sync)
}

func writeFull(w io.WriterAt, b []byte, off int64) error {
	n, err := w.WriteAt(b, off)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	return err
}
