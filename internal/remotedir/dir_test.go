package remotedir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spf13/afero"
)

// A likeNFS takes every directory of this machine to be on NFS.
type likeNFS struct{ host }

func (likeNFS) device(afero.File) (uint64, error) { return 1, nil }
func (likeNFS) locate(afero.File) *place          { return &place{nfs: true} }

func newLikeNFS(t *testing.T, fsys afero.Fs, path string) *Dir {
	d := New(fsys, path)
	d.kernel = likeNFS{}
	t.Cleanup(d.release)
	return d
}

// A directory that stays open is still the one at its path, whatever happens there.
func TestNamesFollowThePath(t *testing.T) {
	for name, make := range map[string]func(t *testing.T, path string) *Dir{
		"as it is":     func(_ *testing.T, path string) *Dir { return New(afero.NewOsFs(), path) },
		"as if on NFS": func(t *testing.T, path string) *Dir { return newLikeNFS(t, afero.NewOsFs(), path) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "dir")
			d := make(t, path)
			d.want(t, fs.ErrNotExist)
			mkdir(t, path, "a")
			d.want(t, nil, "a")
			touch(t, path, "b")
			d.want(t, nil, "a", "b")
			rename(t, path, path+".old")
			d.want(t, fs.ErrNotExist)
			mkdir(t, path, "c")
			d.want(t, nil, "c")
			touch(t, path+".old", "d")
			d.want(t, nil, "c")
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
			d.want(t, fs.ErrNotExist)
			mkdir(t, path)
			d.want(t, nil)
		})
	}
}

func (d *Dir) want(t *testing.T, wantErr error, want ...string) {
	t.Helper()
	got, fresh, err := d.Names()
	slices.Sort(got)
	if !slices.Equal(got, want) || !errors.Is(err, wantErr) || fresh != (wantErr == nil) {
		t.Errorf("names = %q, fresh %v, %v; want %q, %v", got, fresh, err, want, wantErr)
	}
}

func TestNamesOfAFile(t *testing.T) {
	dir := t.TempDir()
	touch(t, dir, "file")
	d := newLikeNFS(t, afero.NewOsFs(), filepath.Join(dir, "file"))
	for range 2 {
		if names, fresh, err := d.Names(); err == nil || fresh {
			t.Errorf("names of a file = %q, %v, %v", names, fresh, err)
		}
	}
	if d.kept != nil {
		t.Error("a file was kept open")
	}
}

// Listings at once get in one another's way no more than one after the other.
func TestNamesAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dir")
	mkdir(t, path, "a", "b", "c")
	d := newLikeNFS(t, afero.NewOsFs(), path)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				d.want(t, nil, "a", "b", "c")
			}
		})
	}
	all.Wait()
}

// A directory that is not listed for a while is closed, and else opened once.
func TestIdleDirectoryIsClosed(t *testing.T) {
	path := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		fsys := &counting{Fs: afero.NewOsFs()}
		d := New(fsys, path)
		d.kernel = likeCountedNFS{}
		check := func(opened, closed int32) {
			t.Helper()
			synctest.Wait()
			if o, c := fsys.opened.Load(), fsys.closed.Load(); o != opened || c != closed {
				t.Errorf("opened %d and closed %d times, want %d and %d", o, c, opened, closed)
			}
		}
		for range 3 {
			d.want(t, nil)
			time.Sleep(idle - time.Second)
		}
		check(1, 0)
		time.Sleep(time.Second)
		check(1, 1)
		d.want(t, nil)
		check(2, 1)
		time.Sleep(idle)
		check(2, 2)
	})
}

type likeCountedNFS struct{ likeNFS }

func (likeCountedNFS) same(afero.File, string) bool { return true }

// A counting file system counts what is opened and closed.
type counting struct {
	afero.Fs
	opened, closed atomic.Int32
}

func (c *counting) Open(name string) (afero.File, error) {
	f, err := c.Fs.Open(name)
	c.opened.Add(1)
	return &countedFile{f, c}, err
}

type countedFile struct {
	afero.File
	c *counting
}

func (f *countedFile) Close() error {
	f.c.closed.Add(1)
	return f.File.Close()
}

// What a kernel remembers is said to be, and where a directory lies is asked once.
func TestListingFromMemory(t *testing.T) {
	path := t.TempDir()
	d := New(afero.NewOsFs(), path)
	k := &remembering{on: 1}
	d.kernel = k
	for range 2 {
		if _, fresh, err := d.Names(); fresh || err != nil {
			t.Errorf("names: fresh %v, %v; want them not to be", fresh, err)
		}
	}
	k.on = 2
	d.Names()
	if k.located != 2 {
		t.Errorf("located %d times, want once on each file system", k.located)
	}
}

type remembering struct {
	host
	on      uint64
	located int
}

func (r *remembering) device(afero.File) (uint64, error) { return r.on, nil }
func (r *remembering) locate(afero.File) *place {
	r.located++
	return &place{smb: true, remembers: true}
}

func mkdir(t *testing.T, path string, names ...string) {
	t.Helper()
	if err := os.Mkdir(path, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		touch(t, path, name)
	}
}

func touch(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), nil, 0o666); err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}
