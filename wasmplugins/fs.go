package wasmplugins

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/afero"
)

// An FS is a file system that a plugin brings. It is safe for concurrent use, and its calls
// take turns. If the plugin breaks, every file that is open fails for good with
// [ErrBroken], since nobody knows what it had written, and those that are opened later are
// another instance's. Directories are the plugin's affair: it makes, removes and changes
// none.
type FS struct {
	plugin *Plugin
	owned  *Plugin // is closed with it; nil if it is somebody else's
	config []byte
	ctx    context.Context // ends with Close
	cancel context.CancelCauseFunc

	mu  sync.Mutex
	now *Instance // guarded by mu; nil when there is none
}

var _ afero.Fs = (*FS)(nil)

// The most that is read or written by one call, and that a directory's names may take.
const (
	mostTransfer = 1 << 20
	mostNames    = 1 << 20
	mostPath     = 4 << 10
)

// Flags of open in a plugin.
const (
	flagWrite = 1 << iota
	flagCreate
	flagExclusive
	flagTruncate
)

const modeDir = 1 << 31

// DefaultFSLimit is [Options.Limit] for a file system that [OpenFS] opens: to sync takes
// as long as the disk does.
const DefaultFSLimit = 30 * time.Second

// OpenFS loads the plugin that a URL names, and opens it as a file system, within the time
// of ctx. To close that frees the plugin. See [FromURL] for the URLs.
func OpenFS(ctx context.Context, u *url.URL) (*FS, error) {
	p, err := fromLog(ctx, u, DefaultFSLimit)
	if err != nil {
		return nil, err
	}
	f, err := p.FS(ctx)
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	f.owned = p
	return f, nil
}

// FS opens a plugin as a file system, which is to be closed. It returns an
// [ErrInvalid] if the plugin refuses its configuration.
func (p *Plugin) FS(ctx context.Context) (*FS, error) {
	if !p.IsFS() {
		return nil, fmt.Errorf("wasmplugins: %s: %w: it is a lock and no file system", p.name, ErrModule)
	}
	config, err := p.options.config("")
	if err != nil {
		return nil, fmt.Errorf("wasmplugins: %s: %w", p.name, err)
	}
	f := &FS{plugin: p, config: config}
	f.ctx, f.cancel = context.WithCancelCause(context.Background())
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err = f.instance(ctx); err != nil {
		f.cancel(err)
		return nil, fmt.Errorf("wasmplugins: %s: open: %w", p.name, err)
	}
	return f, nil
}

// Close ends what is under way, and every file that is open: they fail with [fs.ErrClosed].
func (f *FS) Close() error {
	f.cancel(fs.ErrClosed)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.now != nil {
		f.now.close(fs.ErrClosed)
		f.now = nil
	}
	return f.owned.Close()
}

// instance returns one that works.
func (f *FS) instance(ctx context.Context) (*Instance, error) {
	if f.ctx.Err() != nil {
		return nil, fs.ErrClosed
	}
	if f.now == nil || f.now.broken() {
		i, err := f.plugin.opened(ctx, f.config)
		if err != nil {
			return nil, err
		}
		f.now = i
	}
	return f.now, nil
}

// on has the present instance do something with a path, and returns which that was.
func (f *FS) on(op, name, export string, most int, input [][]byte, args ...uint64) (*Instance, []byte, error) {
	for _, path := range input {
		if len(path) > mostPath {
			return nil, nil, &fs.PathError{Op: op, Path: name, Err: syscall.ENAMETOOLONG}
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	i, err := f.instance(f.ctx)
	if err != nil {
		return nil, nil, &fs.PathError{Op: op, Path: name, Err: err}
	}
	reply, err := i.call(f.ctx, export, most, input, args...)
	if err != nil {
		return nil, nil, &fs.PathError{Op: op, Path: name, Err: err}
	}
	return i, reply, nil
}

// inside is a path as the plugin sees it: absolute, clean and without a drive.
func inside(name string) []byte { return []byte(path.Join("/", guestPath(name))) }

// Name names the plugin.
func (f *FS) Name() string { return "wasm:" + f.plugin.name }

// Open opens a file to be read.
func (f *FS) Open(name string) (afero.File, error) { return f.OpenFile(name, os.O_RDONLY, 0) }

// Create makes or empties a file.
func (f *FS) Create(name string) (afero.File, error) {
	return f.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666)
}

// OpenFile opens a file. One that is to be written can be read, too. It cannot be opened to
// append.
func (f *FS) OpenFile(name string, flag int, perm fs.FileMode) (afero.File, error) {
	where := inside(name)
	if flag&os.O_APPEND != 0 {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errors.ErrUnsupported}
	}
	flags := uint64(0)
	for from, to := range map[int]uint64{os.O_CREATE: flagCreate, os.O_EXCL: flagExclusive, os.O_TRUNC: flagTruncate} {
		if flag&from != 0 {
			flags |= to
		}
	}
	if flag&(os.O_RDWR|os.O_WRONLY) != 0 {
		flags |= flagWrite
	}
	i, reply, err := f.on("open", name, exportFSOpen, 4, [][]byte{where}, uint64(len(where)), flags, uint64(perm.Perm()))
	if err != nil {
		return nil, err
	}
	if len(reply) != 4 {
		return nil, &fs.PathError{Op: "open", Path: name, Err: i.strayed(exportFSOpen, reply)}
	}
	return &file{fs: f, instance: i, name: name, handle: binary.LittleEndian.Uint32(reply)}, nil
}

// strayed ends an instance that answered with something else than it must.
func (i *Instance) strayed(export string, reply []byte) error {
	err := fmt.Errorf("it returned %d bytes that cannot be: % x", len(reply), reply)
	i.close(err)
	return i.broke(export, err)
}

// Stat returns what is known of a file or directory.
func (f *FS) Stat(name string) (fs.FileInfo, error) {
	where := inside(name)
	i, reply, err := f.on("stat", name, exportFSStat, 20, [][]byte{where}, uint64(len(where)))
	if err != nil {
		return nil, err
	}
	if len(reply) != 20 || int64(binary.LittleEndian.Uint64(reply)) < 0 {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: i.strayed(exportFSStat, reply)}
	}
	mode := binary.LittleEndian.Uint32(reply[8:])
	info := fileInfo{
		name: path.Base(string(where)), size: int64(binary.LittleEndian.Uint64(reply)), mode: fs.FileMode(mode & 0o777),
		modified: time.Unix(0, int64(binary.LittleEndian.Uint64(reply[12:]))),
	}
	if mode&modeDir != 0 {
		info.mode |= fs.ModeDir
	}
	return info, nil
}

// Remove removes a file.
func (f *FS) Remove(name string) error {
	where := inside(name)
	_, _, err := f.on("remove", name, exportFSRemove, 0, [][]byte{where}, uint64(len(where)))
	return err
}

// Rename gives a file another name, which it takes from whatever had it.
func (f *FS) Rename(from, to string) error {
	a, b := inside(from), inside(to)
	_, _, err := f.on("rename", from, exportFSRename, 0, [][]byte{a, b}, uint64(len(a)), uint64(len(b)))
	if e := new(fs.PathError); errors.As(err, &e) {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: e.Err}
	}
	return err
}

// What a plugin's file system does not have.

// Mkdir is not supported.
func (f *FS) Mkdir(name string, _ fs.FileMode) error { return unsupported("mkdir", name) }

// MkdirAll is not supported.
func (f *FS) MkdirAll(name string, _ fs.FileMode) error { return unsupported("mkdir", name) }

// RemoveAll is not supported.
func (f *FS) RemoveAll(name string) error { return unsupported("remove all", name) }

// Chmod is not supported.
func (f *FS) Chmod(name string, _ fs.FileMode) error { return unsupported("chmod", name) }

// Chown is not supported.
func (f *FS) Chown(name string, _, _ int) error { return unsupported("chown", name) }

// Chtimes is not supported.
func (f *FS) Chtimes(name string, _, _ time.Time) error { return unsupported("chtimes", name) }

func unsupported(op, name string) error {
	return &fs.PathError{Op: op, Path: name, Err: errors.ErrUnsupported}
}
