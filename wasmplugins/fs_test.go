package wasmplugins

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/spf13/afero"

	"github.com/holdfastdb/holdfast/wasmplugins/filestest"
)

// keyVariable has the key of these tests.
const (
	keyVariable = "HOLDFAST_TEST_KEY"
	someKey     = "0f1e2d3c4b5a69788796a5b4c3d2e1f00112233445566778899aabbccddeeff0"
)

// cipherfs is one more instance over a directory, with a key.
func cipherfs(t testing.TB, dir, key string, change ...func(*Options)) *FS {
	t.Helper()
	t.Setenv(keyVariable, key)
	o := Options{Path: built(t, "guests/cipherfs"), Dirs: []Dir{{Path: dir}}, Secrets: map[string]string{"key": keyVariable}, Limit: DefaultFSLimit}
	for _, c := range change {
		c(&o)
	}
	p, err := Load(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	f, err := p.FS(t.Context())
	if err != nil {
		p.Close()
		t.Fatal(err)
	}
	f.owned = p
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func TestCipherfsIsAFileSystem(t *testing.T) {
	filestest.Run(t, func(t testing.TB) filestest.Subject {
		dir := t.TempDir()
		return filestest.Subject{Dir: dir, Open: func() (afero.Fs, error) { return cipherfs(t, dir, someKey), nil }}
	})
}

// write makes a file.
func write(t testing.TB, fsys afero.Fs, name string, content []byte) {
	t.Helper()
	if err := afero.WriteFile(fsys, name, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// An instance that broke is not used again, nor are its files.
func TestBrokenFileSystem(t *testing.T) {
	dir := t.TempDir()
	f := cipherfs(t, dir, someKey)
	name := filepath.Join(dir, "file")
	write(t, f, name, []byte("text"))
	old, err := f.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	f.now.close(errTime)
	f.mu.Unlock()
	for range 2 {
		if _, err := old.WriteAt([]byte("x"), 0); !errors.Is(err, ErrBroken) {
			t.Errorf("write through a file of the instance that broke: %v", err)
		}
		if got, err := afero.ReadFile(f, name); string(got) != "text" || err != nil {
			t.Errorf("read by the next one: %q, %v", got, err)
		}
	}
	if err := old.Close(); !errors.Is(err, ErrBroken) {
		t.Errorf("close: %v", err)
	}
}

// After Close nothing works, and says why.
func TestClosedFileSystem(t *testing.T) {
	dir := t.TempDir()
	f := cipherfs(t, dir, someKey)
	name := filepath.Join(dir, "file")
	write(t, f, name, []byte("text"))
	open, err := f.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	closed, err := f.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	if err := closed.Close(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("second close of a file: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	_, stat := f.Stat(name)
	_, read := open.ReadAt(make([]byte, 4), 0)
	for what, err := range map[string]error{"stat": stat, "read": read, "close": open.Close(), "remove": f.Remove(name)} {
		if !errors.Is(err, fs.ErrClosed) || errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestFileSystemRefuses(t *testing.T) {
	dir := t.TempDir()
	f := cipherfs(t, dir, someKey)
	name := filepath.Join(dir, "file")
	write(t, f, name, []byte("text"))
	open, err := f.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	_, before := open.ReadAt(make([]byte, 4), -1)
	_, beyond := open.WriteAt(make([]byte, 4), 1<<63-2)
	_, appends := f.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
	_, long := f.Stat("/" + string(make([]byte, mostPath)))
	_, outside := f.OpenFile(filepath.Join(filepath.Dir(dir), "outside"), os.O_RDWR|os.O_CREATE, 0o600)
	for what, was := range map[string]struct{ got, want error }{
		"read before the beginning": {before, fs.ErrInvalid},
		"write beyond any end":      {beyond, fs.ErrInvalid},
		"negative size":             {open.Truncate(-1), fs.ErrInvalid},
		"opening to append":         {appends, errors.ErrUnsupported},
		"directories":               {f.MkdirAll(filepath.Join(dir, "a", "b"), 0o700), errors.ErrUnsupported},
		"long path":                 {long, syscall.ENAMETOOLONG},
	} {
		if !errors.Is(was.got, was.want) {
			t.Errorf("%s: %v, want %v", what, was.got, was.want)
		}
	}
	if outside == nil {
		t.Error("a file was made outside of what was granted")
	}
	if got, err := afero.ReadFile(f, name); string(got) != "text" || err != nil {
		t.Errorf("after all that: %q, %v", got, err)
	}
}
