package vfs

import (
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	sqlitevfs "github.com/ncruces/go-sqlite3/vfs"
	"github.com/spf13/afero"
)

// Two histories can share a change counter: a connection that cached the one must
// not take the other for it.
func TestCacheIsDroppedWhateverTheCounterSays(t *testing.T) {
	a := newArbiter()
	path := filepath.Join(scratch(t), "app.db")
	one := connect(t, register(t, nil, a.process("one").open), path, "")
	run(t, one, "CREATE TABLE t(x); INSERT INTO t VALUES ('first')")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	run(t, one, "UPDATE t SET x='second'")
	want(t, one, "SELECT x FROM t", "second")

	// Another history from the same point, with the same counter.
	two := a.process("two")
	if err := os.WriteFile(path, before, 0o666); err != nil {
		t.Fatal(err)
	}
	other := connect(t, register(t, nil, two.open), path, "")
	run(t, other, "UPDATE t SET x='another'")

	want(t, one, "SELECT x FROM t", "another")
}

// countingFs counts how often a file is opened and whether two handles on it were
// ever open at once.
type countingFs struct {
	afero.Fs
	name     string
	opens    atomic.Int64
	open     atomic.Int64
	overlaps atomic.Int64
	listings atomic.Int64
	stats    atomic.Int64 // of other files
	sizes    atomic.Int64 // asked of the open file
}

type countingFile struct {
	afero.File
	fs *countingFs
}

func (c *countingFs) OpenFile(name string, flag int, perm os.FileMode) (afero.File, error) {
	f, err := c.Fs.OpenFile(name, flag, perm)
	if err != nil || name != c.name {
		return f, err
	}
	c.opens.Add(1)
	if c.open.Add(1) > 1 {
		c.overlaps.Add(1)
	}
	return countingFile{f, c}, nil
}

func (c *countingFs) Open(name string) (afero.File, error) {
	if name == filepath.Dir(c.name) {
		c.listings.Add(1)
	}
	return c.Fs.Open(name)
}

func (c *countingFs) Stat(name string) (os.FileInfo, error) {
	if name != c.name {
		c.stats.Add(1)
	}
	return c.Fs.Stat(name)
}

func (f countingFile) Stat() (os.FileInfo, error) {
	f.fs.sizes.Add(1)
	return f.File.Stat()
}

func (f countingFile) Close() error {
	f.fs.open.Add(-1)
	return f.File.Close()
}

// After another process may have written, the file is closed by everybody here
// before it is opened again, once for all connections.
func TestFileIsOpenedAnewAfterAnotherProcess(t *testing.T) {
	a := newArbiter()
	path := filepath.Join(scratch(t), "app.db")
	files := &countingFs{Fs: afero.NewOsFs(), name: path}
	here := register(t, files, a.process("here").open)
	one, two := connect(t, here, path, ""), connect(t, here, path, "")
	there := connect(t, register(t, nil, a.process("there").open), path, "")

	run(t, one, "CREATE TABLE t(x); INSERT INTO t VALUES (1)")
	want(t, two, "SELECT x FROM t", "1")
	start := files.opens.Load()
	for range 5 {
		run(t, one, "UPDATE t SET x=x+1")
		want(t, two, "SELECT x>0 FROM t", "1")
	}
	if n := files.opens.Load() - start; n != 0 {
		t.Errorf("opened %d times though nobody else was in", n)
	}
	run(t, there, "UPDATE t SET x=100")
	want(t, one, "SELECT x FROM t", "100")
	want(t, two, "SELECT x FROM t", "100")
	if n := files.opens.Load() - start; n != 1 {
		t.Errorf("opened %d times after another process wrote, want once", n)
	}
	if n := files.overlaps.Load(); n != 0 {
		t.Errorf("opened %d times while another handle was open", n)
	}
}

// On a network file system it costs a round trip to ask for the size. While nobody
// else was in, it is known.
func TestSizeIsAskedForOnce(t *testing.T) {
	for _, mode := range []string{"delete", "wal"} {
		t.Run(mode, func(t *testing.T) {
			a := newArbiter()
			path := filepath.Join(scratch(t), "app.db")
			files := &countingFs{Fs: afero.NewOsFs(), name: path}
			here := register(t, files, a.process("here").open)
			one, two := connect(t, here, path, ""), connect(t, here, path, "")
			run(t, one, "PRAGMA journal_mode="+mode+";"+bankSchema)
			start := files.sizes.Load()
			for range 5 {
				run(t, one, bankTransfer)
				want(t, two, "PRAGMA integrity_check", "ok")
			}
			run(t, one, "CREATE TABLE junk AS SELECT * FROM account; DROP TABLE junk; PRAGMA wal_checkpoint(TRUNCATE)")
			if n := files.sizes.Load() - start; n != 0 && mode == "delete" {
				t.Errorf("asked %d times though nobody else was in", n)
			}
			run(t, one, "VACUUM; PRAGMA wal_checkpoint(TRUNCATE)")
			f := FileOf(one, "main")
			known, err := f.Size()
			if info, e := os.Stat(path); err != nil || e != nil || known != info.Size() {
				t.Errorf("size is %d, %v; the file is %d, %v", known, err, info.Size(), e)
			}
			if mode == "wal" {
				return // nobody else can come in
			}
			there := connect(t, register(t, nil, a.process("there").open), path, "")
			run(t, there, thousandRows)
			want(t, one, "SELECT count(*) FROM t", "1000")
			want(t, two, "PRAGMA integrity_check", "ok")
		})
	}
}

// An NFS client goes on denying a file that another host created. So while nobody
// else was in, the journal is not asked for, and after that the directory is read.
func TestHotJournalIsFoundByListing(t *testing.T) {
	a := newArbiter()
	path := filepath.Join(scratch(t), "app.db")
	files := &countingFs{Fs: denying{afero.NewOsFs()}, name: path}
	here := connect(t, register(t, files, a.process("here").open), path, "")
	run(t, here, bankSchema)
	base, asked := files.listings.Load(), files.stats.Load()
	for range 5 {
		run(t, here, bankTransfer)
	}
	if l, s := files.listings.Load()-base, files.stats.Load()-asked; s > 0 {
		t.Errorf("asked for side files %d times, and listed %d times, though nobody else was in", s, l)
	}

	crash := a.process("there")
	there := connect(t, register(t, nil, crash.open), path, "")
	run(t, there, "PRAGMA cache_size=5; PRAGMA cache_spill=5; BEGIN IMMEDIATE;"+bankTransfer)
	crash.lose()
	there.Close()
	if _, err := os.Stat(path + "-journal"); err != nil {
		t.Fatalf("there should be a hot journal: %v", err)
	}
	want(t, here, bankBalance, "8000:200")
	want(t, here, "SELECT count(*) FROM log", "5")
}

// denying is a file system that says of every journal that it is not there,
// except to who opens it or reads the directory.
type denying struct{ afero.Fs }

func (d denying) Stat(name string) (os.FileInfo, error) {
	if filepath.Ext(name) == ".db-journal" {
		return nil, os.ErrNotExist
	}
	return d.Fs.Stat(name)
}

// forgettingFS notes in which order its files are opened, forgotten and read.
type forgettingFS struct {
	fileSystem
	remote bool
	did    *[]string
}

type forgettingFile struct {
	handle
	did *[]string
}

func (f forgettingFS) shared(string) bool { return f.remote }

func (f forgettingFS) open(name string, flag int, perm os.FileMode) (handle, error) {
	h, err := f.fileSystem.open(name, flag, perm)
	if err != nil || filepath.Ext(name) != ".db" {
		return h, err
	}
	*f.did = append(*f.did, "open")
	return forgettingFile{h, f.did}, nil
}

func (f forgettingFile) Forget() { *f.did = append(*f.did, "forget") }

func (f forgettingFile) ReadAt(p []byte, off int64) (int, error) {
	*f.did = append(*f.did, "read")
	return f.handle.ReadAt(p, off)
}

// What the kernel remembers of a file may be old even though it was just opened: on NFS
// a second process of this machine that has it open for writing is enough.
func TestPagesOfTheKernelAreForgottenAfterAnotherProcess(t *testing.T) {
	for _, row := range []struct {
		name   string
		remote bool
		want   []string
	}{
		{"remote", true, []string{"open", "forget", "read"}},
		{"local", false, []string{"open", "read"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			a := newArbiter()
			path := filepath.Join(scratch(t), "app.db")
			v := New(nil, a.process("here").open)
			var did []string
			v.files = forgettingFS{v.files, row.remote, &did}
			sqlitevfs.Register(t.Name(), v)
			t.Cleanup(func() { sqlitevfs.Unregister(t.Name()) })
			here := connect(t, t.Name(), path, "")
			there := connect(t, register(t, nil, a.process("there").open), path, "")
			run(t, here, "CREATE TABLE t(x); INSERT INTO t VALUES (1)")
			run(t, there, "UPDATE t SET x=100")
			did = nil
			want(t, here, "SELECT x FROM t", "100")
			if diff := cmp.Diff(row.want, slices.Compact(did)); diff != "" {
				t.Errorf("after another process wrote (-want +got):\n%s", diff)
			}
			did = nil
			want(t, here, "SELECT x FROM t", "100")
			if slices.Contains(did, "forget") {
				t.Errorf("it forgets though nobody else was in: %v", did)
			}
		})
	}
}
