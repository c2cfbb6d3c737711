package fence

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ncruces/go-sqlite3"
)

// host is a directory of the operating system.
type host string

func (h host) Open(name string) (File, error) { return os.Open(filepath.Join(string(h), name)) }

func (h host) Create(name string, like fs.FileInfo) (File, error) {
	return os.OpenFile(filepath.Join(string(h), name), os.O_RDWR|os.O_CREATE|os.O_EXCL, like.Mode().Perm())
}

func (h host) Remove(name string) error { return os.Remove(filepath.Join(string(h), name)) }
func (h host) SyncDir() error           { return nil }

// streaming hides that files are system files.
type streaming struct{ host }

func (s streaming) Open(name string) (File, error) {
	f, err := s.host.Open(name)
	return struct{ File }{f}, err
}

func (h host) names(t *testing.T) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(string(h))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// A database that crashed is copied on a real file system, both ways, and SQLite's
// own VFS finds in the copy what was committed.
func TestCopyOnTheHost(t *testing.T) {
	for _, mode := range []string{"delete", "truncate", "persist", "wal"} {
		for name, fsys := range map[string]func(host) FS{
			"inside":   func(h host) FS { return h },
			"streamed": func(h host) FS { return streaming{h} },
		} {
			t.Run(mode+" "+name, func(t *testing.T) {
				files, want := hot(t, mode)
				dir := host(t.TempDir())
				for name, n := range files {
					if err := os.WriteFile(filepath.Join(string(dir), name), []byte(n.data), 0o640); err != nil {
						t.Fatal(err)
					}
				}
				if err := Copy(t.Context(), fsys(dir), "app.db", "copy", nil); err != nil {
					t.Fatal(err)
				}
				for name, n := range files {
					b, err := os.ReadFile(filepath.Join(string(dir), name))
					if err != nil || string(b) != n.data {
						t.Errorf("%s was changed: %v", name, err)
					}
				}
				db, err := sqlite3.Open("file:" + filepath.ToSlash(filepath.Join(string(dir), "copy")))
				if err != nil {
					t.Fatal(err)
				}
				if got := content(t, db); got != want {
					t.Errorf("the copy is not what was committed")
				}
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
				if err := Remove(t.Context(), dir, "app.db"); err != nil {
					t.Error(err)
				}
				left := []string{"copy"}
				if mode == "wal" {
					left = dir.names(t) // whether closing removes the WAL is not the matter here
				}
				if diff := cmp.Diff(left, dir.names(t)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		}
	}
}

// A journal that another one replaced is another one, though both begin alike.
func TestMarkTellsFilesApart(t *testing.T) {
	dir := host(t.TempDir())
	path := filepath.Join(string(dir), "app.db-journal")
	if err := os.WriteFile(path, []byte(journalMagic), 0o600); err != nil {
		t.Fatal(err)
	}
	c := newCopier(dir, "app.db", "copy", nil)
	mark := func() Mark {
		m, err := c.mark(false)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	first, again := mark(), mark()
	if first.Spoilt(again) || !first.Journal.There || first.Journal.File == 0 {
		t.Errorf("the same journal, seen twice: %v, %v", first, again)
	}
	other := path + "2"
	if err := os.WriteFile(other, []byte(journalMagic), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(other, path); err != nil {
		t.Fatal(err)
	}
	if !first.Spoilt(mark()) {
		t.Error("another journal with the same beginning was taken for the first")
	}
}

// Memory stays small, whatever the size of the files, and of a journal with a header
// in every other sector.
func TestMemory(t *testing.T) {
	const size, limit = 300 << 20, 8 << 20
	dir := host(t.TempDir())
	f, err := os.Create(filepath.Join(string(dir), "app.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	segment := make([]byte, 512+1024)
	copy(segment, journalMagic+"\x00\x00\x00\x01nnnn\x00\x00\x00\x09\x00\x00\x02\x00\x00\x00\x02\x00")
	journal := bytes.Repeat(segment, 20_000)
	if err := os.WriteFile(filepath.Join(string(dir), "app.db-journal"), journal, 0o600); err != nil {
		t.Fatal(err)
	}
	journal = nil
	runtime.GC()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	var peak uint64
	ticks := 0
	err = Copy(t.Context(), streaming{dir}, "app.db", "copy", func(int64, int64) {
		if ticks++; ticks%50 == 0 {
			runtime.ReadMemStats(&now)
			peak = max(peak, now.HeapAlloc-min(now.HeapAlloc, before.HeapAlloc))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if peak > limit {
		t.Errorf("%d bytes in use, want at most %d", peak, limit)
	}
	t.Logf("peak %s of memory", human(int64(peak)))
	if info, err := os.Stat(filepath.Join(string(dir), "copy")); err != nil || info.Size() != size {
		t.Errorf("the copy has the wrong size: %v", err)
	}
}
