//go:build !wasip1

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/afero"

	"github.com/holdfastdb/holdfast/vfs/vfstest"
)

// A pair is a WAL that two connections have open, on a disk that can fail.
type pair struct {
	t     *testing.T
	rng   *rand.Rand
	files plain
	open  [2]afero.File
	fails bool // the next write of the disk

	now  []byte   // what is in the file
	past [][]byte // what was in it, or was to be, since it was synced last
}

const sideName = "/app.db-wal"

var errDisk = errors.New("the disk fails")

func newPair(t *testing.T, disk afero.Fs, seed uint64) *pair {
	p := &pair{t: t, rng: rand.New(rand.NewPCG(seed, 0)), now: []byte("begun")}
	p.files = newPlain(t, vfstest.Faulty(disk, func(op vfstest.Op) error {
		if op.Kind != "write" || !p.fails {
			return nil
		}
		p.fails = false
		return vfstest.Short{Bytes: p.rng.IntN(op.Size), Err: errDisk}
	}), someKey)
	p.reopen(0)
	p.reopen(1)
	_, err := p.open[0].WriteAt(p.now, 0)
	dir, failed := disk.Open("/")
	p.do(errors.Join(err, failed, p.open[0].Sync(), dir.Sync()))
	p.past = [][]byte{p.now}
	return p
}

func (p *pair) reopen(i int) {
	if p.open[i] != nil {
		p.do(p.open[i].Close())
	}
	f, err := p.files.OpenFile(sideName, os.O_RDWR|os.O_CREATE, 0o600)
	p.do(err)
	p.open[i] = f
}

func (p *pair) do(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// step does something by one of the connections.
func (p *pair) step() {
	i := p.rng.IntN(2)
	f := p.open[i]
	switch n := p.rng.IntN(20); {
	case n < 3:
		p.do(f.Sync())
		p.past = nil
	case n < 4:
		p.reopen(i)
	case n < 5:
		size := p.rng.IntN(len(p.now) + 1)
		p.do(f.Truncate(int64(size)))
		p.now = p.now[:size:size]
	default:
		p.write(f, n < 8)
	}
	p.past = append(p.past, p.now)
}

// write adds to the file as a rule, and may fail.
func (p *pair) write(f afero.File, fails bool) {
	part := bytes.Repeat([]byte{byte(1 + p.rng.IntN(255))}, 1+p.rng.IntN(300))
	off := min(len(p.now), 2*block+100)
	if p.rng.IntN(3) == 0 {
		off = p.rng.IntN(off + 1)
	}
	after := bytes.Clone(p.now)
	after = append(after, make([]byte, max(0, off+len(part)-len(after)))...)
	copy(after[off:], part)
	p.fails = fails
	_, err := f.WriteAt(part, int64(off))
	p.fails = false
	if !fails {
		p.do(err)
		p.now = after
		return
	}
	if err == nil {
		p.t.Fatal("a write did not fail with the disk")
	}
	p.past = append(p.past, after) // the next writes may bring it back
	got := p.content(p.files)
	if outside := without(got, off, len(part)); !bytes.Equal(outside, without(p.now, off, len(part))) {
		p.t.Fatalf("a write of %d bytes at %d that failed changed others", len(part), off)
	}
	p.now = got
}

// without is what a write of size bytes at off leaves alone, with no zeros at the end.
func without(b []byte, off, size int) []byte {
	b = bytes.Clone(b)
	if off < len(b) {
		clear(b[off:min(len(b), off+size)])
	}
	return bytes.TrimRight(b, "\x00")
}

func (p *pair) content(files plain) []byte {
	p.t.Helper()
	f, err := files.Open(sideName)
	p.do(err)
	defer f.Close()
	b, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<20))
	p.do(err)
	return b
}

// check compares what a power cut left with what it may leave: of each byte what was
// synced, or was written to it since, or a zero or nothing if there was none at some time.
func (p *pair) check(got []byte) error {
	size := len(got)
	for _, b := range p.past {
		size = max(size, len(b))
	}
	for off := range size {
		is, fine := -1, false
		if off < len(got) {
			is = int(got[off])
		}
		for _, b := range p.past {
			fine = fine || off >= len(b) && is <= 0 || off < len(b) && is == int(b[off])
		}
		if !fine {
			return fmt.Errorf("byte %d is %d, which it never was since the last sync", off, is)
		}
	}
	return nil
}

// Neither a write that fails nor a power cut takes along what was written before, or was
// synced before, whichever of two connections wrote it and whichever synced it.
func TestSideFileKeepsWhatWas(t *testing.T) {
	for seed := range uint64(50) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			disk := vfstest.NewDisk()
			p := newPair(t, disk, seed)
			for range 60 {
				p.step()
				if got := p.content(p.files); !bytes.Equal(got, p.now) {
					t.Fatal("it has other bytes than were written")
				}
				if err := p.check(p.content(newPlain(t, disk.PowerCut(p.rng), someKey))); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// a text is of a letter, and longer than what a disk writes at once.
func text(letter string, n int) string { return strings.Repeat(letter, n) }

const long = 1000

func (p *pair) begin(text string) {
	_, err := p.open[0].WriteAt([]byte(text), 0)
	p.do(err)
}

// leaves fails unless power cuts leave one of some texts each time.
func (p *pair) leaves(disk *vfstest.Disk, texts ...string) {
	p.t.Helper()
	dir, err := disk.Open("/")
	p.do(errors.Join(err, dir.Sync()))
	for range 100 {
		got := string(p.content(newPlain(p.t, disk.PowerCut(p.rng), someKey)))
		if !slices.Contains(texts, got) {
			p.t.Fatalf("a power cut leaves %d bytes, %.3q...", len(got), got)
		}
	}
}

// A file that takes the name of another one, which is still open, is not taken for it.
func TestSideFileOfTheSameName(t *testing.T) {
	for name, replace := range map[string]func(plain) error{
		"removed": func(files plain) error { return files.Remove(sideName) },
		"renamed": func(files plain) error { return files.Rename(sideName, "/old.db-wal") },
	} {
		t.Run(name, func(t *testing.T) {
			disk := vfstest.NewDisk()
			p := newPair(t, disk, 0)
			p.do(replace(p.files))
			p.reopen(0)
			p.begin(text("a", long))
			p.do(p.open[0].Sync())
			p.begin(text("b", long))
			p.do(p.open[1].Sync()) // of the file that was here before
			p.begin(text("c", long))
			p.begin(text("d", long))
			p.leaves(disk, text("a", long), text("b", long), text("c", long), text("d", long))
		})
	}
}

// What was cut does not come back as it was before it was synced.
func TestSideFileThatIsCut(t *testing.T) {
	for size, left := range map[int][]string{
		0:   {text("c", long), "", text("d", long)},
		700: {text("c", long), text("c", 700), text("d", long)},
	} {
		t.Run(fmt.Sprint("to ", size), func(t *testing.T) {
			disk := vfstest.NewDisk()
			p := newPair(t, disk, 0)
			for _, letter := range []string{"a", "b", "c"} {
				p.begin(text(letter, long))
				p.do(p.open[0].Sync())
			}
			p.do(p.open[0].Truncate(int64(size)))
			p.begin(text("d", long))
			p.leaves(disk, left...)
		})
	}
}
