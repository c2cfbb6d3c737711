package filestest

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"

	"github.com/spf13/afero"
)

// A model is one file as it must be, and the same file in each of some instances.
type model struct {
	rng   *rand.Rand
	want  []byte
	name  string
	fs    []afero.Fs
	files []afero.File // one of each instance
}

// Files grow up to largest, and most operations are near the edges of what a file
// system, SQLite or this interface has.
const largest = 200_000

var edges = []int{0, 512, 4096, 3 * 4096, 64 << 10, 128 << 10}

// agreesWithModel does whatever comes to a file, through two instances in turn.
func agreesWithModel(s Subject) error {
	for seed := range uint64(4) {
		err := with(s, 2, func(fs ...afero.Fs) error {
			m := &model{rng: rand.New(rand.NewPCG(seed, 0)), fs: fs, name: s.name(fmt.Sprint("model", seed)), files: make([]afero.File, len(fs))}
			defer m.close()
			return m.run(250)
		})
		if err != nil {
			return fmt.Errorf("seed %d: %w", seed, err)
		}
	}
	return nil
}

func (m *model) close() {
	for _, f := range m.files {
		if f != nil {
			f.Close()
		}
	}
}

func (m *model) run(steps int) error {
	for i := range m.files {
		if err := m.reopen(i); err != nil {
			return err
		}
	}
	for step := range steps {
		i := m.rng.IntN(len(m.files))
		what, err := m.step(i)
		if err != nil {
			return fmt.Errorf("step %d, %s by instance %d: %w", step, what, i, err)
		}
	}
	for i, f := range m.files {
		got, err := content(f)
		if err == nil {
			err = same(m.name, got, m.want)
		}
		if err != nil {
			return fmt.Errorf("in the end, by instance %d: %w", i, err)
		}
	}
	return nil
}

func (m *model) reopen(i int) (err error) {
	if m.files[i] != nil {
		if err := m.files[i].Close(); err != nil {
			return err
		}
	}
	m.files[i], err = m.fs[i].OpenFile(m.name, os.O_RDWR|os.O_CREATE, 0o600)
	return err
}

// place is an offset or a size.
func (m *model) place() int {
	switch m.rng.IntN(3) {
	case 0:
		return m.rng.IntN(largest)
	case 1:
		return len(m.want)
	}
	return max(0, edges[m.rng.IntN(len(edges))]+m.rng.IntN(5)-2)
}

func (m *model) step(i int) (what string, err error) {
	f := m.files[i]
	switch m.rng.IntN(8) {
	case 0, 1, 2:
		off, p := m.place(), some(max(1, m.place()/4), byte(m.rng.Uint32()))
		what = fmt.Sprintf("write of %d bytes at %d", len(p), off)
		m.want = append(m.want, make([]byte, max(0, off+len(p)-len(m.want)))...)
		copy(m.want[off:], p)
		if n, err := f.WriteAt(p, int64(off)); n != len(p) || err != nil {
			return what, fmt.Errorf("%d, %w", n, err)
		}
		return what, nil
	case 3, 4, 5:
		return m.read(f, m.place(), 1+m.place())
	case 6:
		size := m.place()
		what = fmt.Sprintf("truncation to %d", size)
		m.want = append(m.want, make([]byte, max(0, size-len(m.want)))...)[:size]
		if err := f.Truncate(int64(size)); err != nil {
			return what, err
		}
		info, err := f.Stat()
		if err == nil && info.Size() != int64(size) {
			err = fmt.Errorf("it has %d bytes", info.Size())
		}
		return what, err
	}
	return "sync and opening", firstOf(f.Sync(), m.reopen(i))
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// read reads through an open file, and compares.
func (m *model) read(f afero.File, off, n int) (what string, err error) {
	what = fmt.Sprintf("read of %d bytes at %d", n, off)
	want := m.want[min(off, len(m.want)):min(off+n, len(m.want))]
	p := make([]byte, n)
	got, err := f.ReadAt(p, int64(off))
	if got < n && err != io.EOF {
		return what, fmt.Errorf("%d bytes with the error %v, want the end of the file", got, err)
	}
	if err != nil && err != io.EOF {
		return what, err
	}
	return what, same(m.name, p[:got], want)
}
