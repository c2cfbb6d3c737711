package vfs

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/holdfastdb/holdfast/internal/fence"
	"github.com/holdfastdb/holdfast/locking"
)

// Storage returns where the database at path lies, for its lock. The path is as an
// [Opener] gets it.
func (v *VFS) Storage(path string) locking.Storage { return v.storage(path) }

func (v *VFS) storage(path string) *storage {
	return &storage{vfs: v, path: path, name: filepath.Base(path), files: fenceFS{v.files, filepath.Dir(path)}}
}

// A storage copies a database beside itself.
type storage struct {
	vfs   *VFS
	path  string
	name  string
	files fenceFS
}

var _ locking.Storage = (*storage)(nil)

// Name returns the plain name of the database.
func (s *storage) Name() string { return s.name }

// Copy implements [locking.Storage].
func (s *storage) Copy(ctx context.Context, from, to string, progress func(copied, total int64)) error {
	s.callBack(from)
	return fence.Copy(ctx, s.files, from, to, progress)
}

// callBack opens at once what a copy opens one after the other. For each file that a
// holder has open who cannot be reached, the server may wait before it lets somebody
// else read it: half a minute on SMB.
func (s *storage) callBack(name string) {
	var all sync.WaitGroup
	for _, suffix := range append([]string{""}, sides...) {
		all.Go(func() {
			if f, err := s.files.Open(name + suffix); err == nil {
				f.Close() // what is wrong with it comes out when it is needed
			}
		})
	}
	all.Wait()
}

// Remove implements [locking.Storage].
func (s *storage) Remove(ctx context.Context, name string) error {
	return fence.Remove(ctx, s.files, name)
}

// LetGo implements [locking.Storage].
func (s *storage) LetGo() {
	s.vfs.mu.Lock()
	d := s.vfs.databases[s.path]
	s.vfs.mu.Unlock()
	if d != nil {
		d.letGo()
	}
}

// A fenceFS is the directory of a database as package fence sees it.
type fenceFS struct {
	files fileSystem
	dir   string
}

// Open opens a file that is there, by the storage's own word: for a name that another
// host created, an NFS client may go on saying that there is none, until the directory
// is listed.
func (f fenceFS) Open(name string) (fence.File, error) {
	path := filepath.Join(f.dir, name)
	found, err := f.files.list(f.dir, func(other string) bool { return other == name })
	if err == nil && len(found) == 0 {
		err = &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	if err != nil {
		return nil, err
	}
	h, err := f.files.open(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	return fenceFile(h), nil
}

// Create creates a file like another one. It is nobody else's before it has the
// permissions of that.
func (f fenceFS) Create(name string, like fs.FileInfo) (fence.File, error) {
	h, err := f.files.open(filepath.Join(f.dir, name), os.O_RDWR|os.O_CREATE|os.O_EXCL, like.Mode().Perm())
	if err != nil {
		return nil, err
	}
	likeOther(h, like)
	return fenceFile(h), nil
}

// Remove removes a file once everybody else has given it back. It may be one that a
// holder has open who cannot be reached: to remove it takes as long as the server
// waits for that one, and while a kernel removes a name nothing else in its directory
// can be created. So that wait is waited for by opening the file, which holds up nobody.
func (f fenceFS) Remove(name string) error {
	path := filepath.Join(f.dir, name)
	_, _ = f.files.stat(path) // to open a name that the kernel does not know yet holds up others too
	if h, err := f.files.open(path, os.O_RDWR, 0); err == nil {
		_ = h.Close()
	}
	return f.files.remove(path)
}

func (f fenceFS) SyncDir() error {
	if err := f.files.syncDir(f.dir); err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	return nil
}

// fenceFile returns a file of the operating system as that, so that it can be copied
// without its bytes passing through here.
func fenceFile(h handle) fence.File {
	if f, ok := h.(hostFile); ok {
		return f.File
	}
	return durableFile{h}
}

// A durableFile is a handle with syncs of one kind.
type durableFile struct{ handle }

// Sync makes the content durable.
func (f durableFile) Sync() error { return f.handle.Sync(durable) }
