package fence

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/holdfastdb/holdfast/internal/pagecache"
	"github.com/holdfastdb/holdfast/locking"
)

// A copier makes one copy. It holds one buffer, and nothing that grows with the files.
type copier struct {
	files    FS
	from, to string
	do       map[Step]func(context.Context) error

	seen       []fs.FileInfo // files that a mark met; their places are the numbers in a Trace
	before     Mark
	journal    File     // its copy; nil if there is none
	journalEnd int64    // end of what its headers cover
	made       []string // names of the copies
	copies     []File   // the copies that are open

	pace     pace
	buffer   []byte
	progress func(copied, total int64)
	copied   int64 // bytes
	total    int64 // bytes of the three files, as far as they were seen
}

func newCopier(files FS, from, to string, progress func(copied, total int64)) *copier {
	if progress == nil {
		progress = func(int64, int64) {}
	}
	c := &copier{files: files, from: from, to: to, progress: progress}
	c.do = map[Step]func(context.Context) error{
		MarkBefore:     c.markBefore,
		Database:       c.copyDatabase,
		JournalHeaders: c.copyHeaders,
		JournalRecords: c.copyRecords,
		WAL:            c.copyWAL,
		MarkAfter:      c.markAfter,
		Durable:        c.makeDurable,
	}
	return c
}

// run takes the steps one after the other. If one fails it removes what they made.
func (c *copier) run(ctx context.Context, steps []Step) error {
	for _, step := range steps {
		err := context.Cause(ctx)
		if err == nil {
			err = c.do[step](ctx)
		}
		if err != nil {
			c.drop()
			return c.explain(step, err)
		}
	}
	c.progress(c.total, c.total)
	return nil
}

// drop removes the copies: the context may have ended, but this must be tried all
// the same. What stays is for whoever cleans up by the names in the record.
func (c *copier) drop() {
	for _, f := range c.copies {
		f.Close()
	}
	for _, name := range c.made {
		c.files.Remove(name)
	}
}

func (c *copier) explain(step Step, err error) error {
	switch {
	case errors.Is(err, locking.ErrMoved):
		return fmt.Errorf("fence: copy %q to %q: %w", c.from, c.to, locking.ErrMoved)
	case IsFull(err):
		return fmt.Errorf("fence: copy %q to %q: %s: %w: a takeover needs room for a second copy, %s: make room or raise the quota",
			c.from, c.to, step, err, human(c.total))
	case IsReadOnly(err):
		return fmt.Errorf("fence: copy %q to %q: %s: %w: a takeover has to write: make the file system writable", c.from, c.to, step, err)
	}
	return fmt.Errorf("fence: copy %q to %q: %s: %w", c.from, c.to, step, err)
}

func (c *copier) markBefore(context.Context) error {
	m, err := c.mark(true)
	c.before = m
	return err
}

func (c *copier) markAfter(context.Context) error {
	after, err := c.mark(false)
	if err == nil && c.before.Spoilt(after) {
		return locking.ErrMoved
	}
	return err
}

// mark reads a mark. The first time it also takes note of the sizes.
func (c *copier) mark(first bool) (m Mark, err error) {
	for _, look := range []struct {
		suffix string
		into   *Trace
		header int
	}{{journalSuffix, &m.Journal, headerSize}, {walSuffix, &m.WAL, walHeaderSize}} {
		src, info, err := c.open(c.from + look.suffix)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return Mark{}, err
		}
		*look.into = Trace{There: true, File: c.number(info)}
		_, err = readFull(src, look.into.Header[:look.header], 0)
		src.Close()
		if err != nil {
			return Mark{}, err
		}
		if first {
			c.total += info.Size()
		}
	}
	return m, nil
}

// number returns the number of a file, or 0 if its file system does not tell which
// file it is.
func (c *copier) number(info fs.FileInfo) int {
	if !os.SameFile(info, info) {
		return 0
	}
	for i, s := range c.seen {
		if os.SameFile(s, info) {
			return i + 1
		}
	}
	c.seen = append(c.seen, info)
	return len(c.seen)
}

func (c *copier) copyDatabase(ctx context.Context) error {
	src, info, err := c.open(c.from)
	if err != nil {
		return err
	}
	defer src.Close()
	c.total += info.Size()
	dst, err := c.create(c.to, info)
	if err != nil {
		return err
	}
	_, err = c.copyRange(ctx, dst, src, 0, untilEnd)
	return err
}

const walHeaderSize = 32

// copyWAL copies the WAL in whatever order the file system likes. All frames that
// the database needs were synced before this began. Of later ones some may be
// missing or torn, but each frame has a checksum over all that comes before it, so
// SQLite stops at the first that is, as after a power cut.
func (c *copier) copyWAL(ctx context.Context) error {
	header, err := c.walCopied(ctx)
	if err == nil && !c.before.Copied(header) {
		return locking.ErrMoved
	}
	return err
}

func (c *copier) walCopied(ctx context.Context) (header [walHeaderSize]byte, err error) {
	src, info, err := c.open(c.from + walSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return header, nil
	}
	if err != nil {
		return header, err
	}
	defer src.Close()
	dst, err := c.create(c.to+walSuffix, info)
	if err != nil {
		return header, err
	}
	if _, err := c.copyRange(ctx, dst, src, 0, untilEnd); err != nil {
		return header, err
	}
	_, err = readFull(dst, header[:], 0)
	return header, err
}

func (c *copier) makeDurable(ctx context.Context) error {
	for len(c.copies) > 0 {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if err := c.copies[0].Sync(); err != nil {
			return err
		}
		f := c.copies[0]
		c.copies = c.copies[1:]
		if err := f.Close(); err != nil {
			return err // a network file system may say here that the disk is full
		}
	}
	return c.files.SyncDir()
}

// open opens a file, with nothing of it cached.
func (c *copier) open(name string) (File, fs.FileInfo, error) {
	f, err := c.files.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("%q is missing: %w", name, err)
	}
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	pagecache.Drop(f)
	return f, info, nil
}

func (c *copier) create(name string, like fs.FileInfo) (File, error) {
	f, err := c.files.Create(name, like)
	if err != nil {
		return nil, err
	}
	c.made = append(c.made, name)
	c.copies = append(c.copies, f)
	return f, nil
}

// readFull fills b from a file, as far as the file goes.
func readFull(r io.ReaderAt, b []byte, off int64) (n int, err error) {
	for n < len(b) {
		m, err := r.ReadAt(b[n:], off+int64(n))
		n += m
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		if m == 0 {
			return n, io.ErrNoProgress
		}
	}
	return n, nil
}

// human returns a size for people.
func human(n int64) string {
	const unit = "kMGTPE"
	if n < 1000 {
		return fmt.Sprintf("%d bytes", n)
	}
	f, i := float64(n)/1000, 0
	for ; f >= 1000; i++ {
		f /= 1000
	}
	return fmt.Sprintf("%.1f %cB", f, unit[i])
}
