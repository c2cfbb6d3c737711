//go:build linux

package chaos

import (
	"bytes"
	"io/fs"

	"github.com/spf13/afero"
)

// A wireFile is an open file on a wire. Only databases and their journals are
// written lazily: the register is synced as soon as it is written.
type wireFile struct {
	afero.File
	wire *wire
}

// atOnce is how many bytes one read returns at the most, so that others come in
// between while a whole file is read.
const atOnce = 16 << 10

func (f *wireFile) ReadAt(p []byte, off int64) (int, error) {
	p = p[:min(len(p), atOnce)]
	f.wire.before(flight{Kind: kindLook, Name: f.Name()})
	n, err := f.File.ReadAt(p, off)
	return f.wire.patch(f.Name(), p, off, n, err)
}

// patch puts into what was read what was written and did not take effect yet.
func (w *wire) patch(name string, p []byte, off int64, n int, err error) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, u := range w.unsaved[name] {
		from, to := max(off, u.Off), min(off+int64(len(p)), u.Off+int64(len(u.Data)))
		if from >= to {
			continue
		}
		if gap := int(from - off); gap > n {
			clear(p[n:gap])
		}
		copy(p[from-off:to-off], u.Data[from-u.Off:])
		n = max(n, int(to-off))
	}
	if n == len(p) {
		err = nil
	}
	return n, err
}

func (f *wireFile) WriteAt(p []byte, off int64) (int, error) {
	w := f.wire
	u := flight{Kind: "write", Name: f.Name(), Off: off, Data: bytes.Clone(p)}
	w.before(u)
	if !w.lazy || u.ofRegister() {
		return f.File.WriteAt(p, off)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unsaved[u.Name] = append(w.unsaved[u.Name], u)
	return len(p), nil
}

// Write is what the register uses.
func (f *wireFile) Write(p []byte) (int, error) {
	f.wire.before(flight{Kind: "write", Name: f.Name(), Data: bytes.Clone(p)})
	return f.File.Write(p)
}

func (f *wireFile) WriteString(s string) (int, error) { return f.Write([]byte(s)) }

func (f *wireFile) Stat() (fs.FileInfo, error) {
	f.wire.before(flight{Kind: kindLook, Name: f.Name()})
	if err := f.wire.save(f.Name()); err != nil {
		return nil, err
	}
	return f.File.Stat()
}

func (f *wireFile) Truncate(size int64) error {
	f.wire.before(flight{Kind: "truncate", Name: f.Name(), Off: size})
	if err := f.wire.save(f.Name()); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

func (f *wireFile) Sync() error {
	f.wire.before(flight{Kind: "sync", Name: f.Name()})
	if err := f.wire.save(f.Name()); err != nil {
		return err
	}
	return f.File.Sync()
}

func (f *wireFile) Readdirnames(n int) ([]string, error) {
	f.wire.before(flight{Kind: kindLook, Name: f.Name()})
	return f.File.Readdirnames(n)
}
