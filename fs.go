package holdfast

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/url"
	"slices"
	"time"

	"github.com/ncruces/go-sqlite3"
	sqlitevfs "github.com/ncruces/go-sqlite3/vfs"
	"github.com/spf13/afero"

	"github.com/holdfastdb/holdfast/internal/fsscheme"
	"github.com/holdfastdb/holdfast/vfs"
)

// fsTimeout bounds the opening of a file system.
const fsTimeout = 30 * time.Second

var (
	errNoFS    = errors.New("a database in memory or a temporary one has no file system: leave fs out")
	errTwoFS   = errors.New("fs and Options.FS both say where the files are: leave one of them out")
	errAutoFS  = errors.New("what lock suits this file system cannot be told: name one with lock=")
	errInnerFS = errors.New("fs is for the data source name of a pool (driver holdfast): neither ATTACH nor go-sqlite3's own Open can choose a file system")
)

// A chosenFS is a file system that a data source name names by a URL.
type chosenFS struct {
	url  *url.URL
	open fsscheme.Opener
}

// chooseFS reads the parameter fs. Without one it returns nil.
func chooseFS(values url.Values) (*chosenFS, error) {
	if !values.Has("fs") {
		return nil, nil
	}
	open, u, err := fsscheme.Lookup(values.Get("fs"))
	if err != nil {
		return nil, fmt.Errorf("fs=%s: %w", values.Get("fs"), err)
	}
	return &chosenFS{u, open}, nil
}

// world opens the file system, and makes a world of it that is to be closed.
func (c *chosenFS) world(ctx context.Context, name string) (*world, error) {
	ctx, cancel := context.WithTimeout(ctx, fsTimeout)
	defer cancel()
	files, err := c.open(ctx, c.url)
	if err != nil {
		return nil, fmt.Errorf("holdfast: open the file system of fs=: %w", err)
	}
	w := newWorld(name, files)
	w.closer, _ = files.(io.Closer)
	return w, nil
}

// worldOf returns the world of a data source name, for somebody who looks at it or works
// on it alone. It is to be closed. The parameter fs is taken out.
func (s source) worldOf(ctx context.Context) (*world, error) {
	chosen, err := chooseFS(s.params)
	if chosen == nil || err != nil {
		return common, err
	}
	s.params.Del("fs")
	return chosen.world(ctx, nextWorld())
}

// A lateWorld is that of a pool whose file system is opened by its first connection.
type lateWorld struct {
	fs   *chosenFS
	name string

	life  context.Context // that of the pool
	end   context.CancelFunc
	turn  chan struct{} // is held by whoever uses what follows
	world *world        // nil before the first connection
}

func newLateWorld(fs *chosenFS) *lateWorld {
	l := &lateWorld{fs: fs, name: nextWorld(), turn: make(chan struct{}, 1)}
	l.life, l.end = context.WithCancel(context.Background())
	return l
}

// enter counts one more connection in, and opens the file system for the first one.
func (l *lateWorld) enter(ctx context.Context) (*world, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(l.life, func() { cancel(fs.ErrClosed) })()
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if l.life.Err() != nil {
		return nil, fmt.Errorf("holdfast: the pool is closed: %w", fs.ErrClosed)
	}
	if l.world == nil {
		w, err := l.fs.world(ctx, l.name)
		if err != nil {
			return nil, err
		}
		l.world = w
	}
	l.world.enter()
	return l.world, nil
}

func (l *lateWorld) close() error {
	l.end()
	l.turn <- struct{}{} // nobody keeps it for long after the end
	defer func() { <-l.turn }()
	if l.world == nil {
		return nil
	}
	return l.world.close()
}

// foundBroken looks whether an error says that the file of a database is broken. All
// connections share it, and it is opened anew after the last one: those that lie idle are
// closed at once, and the others when they are put back.
func (c *conn) foundBroken(err error) {
	if !errors.Is(err, fsscheme.ErrBroken) {
		return
	}
	for f := range c.files {
		if d, ours := f.Locker().(*database); ours && !d.broken.Swap(true) {
			d.closeIdle()
		}
	}
}

// closeIdle closes the connections that nobody uses.
func (d *database) closeIdle() {
	d.mu.Lock()
	conns := slices.Collect(maps.Keys(d.conns))
	d.mu.Unlock()
	for _, c := range conns {
		if !c.mu.TryLock() {
			continue // somebody does something with it, and finds out
		}
		if c.idle && !c.dead {
			c.shut()
		}
		c.mu.Unlock()
	}
}

// isElsewhere reports whether the files of a world are not those of the machine.
func (w *world) isElsewhere() bool { return w.files != nil && !isOS(w.files) }

// stat describes what has a name, and not what a symbolic link there leads to.
func (w *world) stat(path string) (fs.FileInfo, error) {
	if links, ok := w.files.(afero.Lstater); ok {
		info, _, err := links.LstatIfPossible(path)
		return info, err
	}
	return w.files.Stat(path)
}

// A door lets into a VFS who does not ask for a file system: what a URI that comes in
// here says of it would be ignored, and the database taken for another one.
type door struct{ *vfs.VFS }

// OpenFilename implements [sqlitevfs.VFSFilename].
func (d door) OpenFilename(name *sqlitevfs.Filename, flags sqlitevfs.OpenFlag) (sqlitevfs.File, sqlitevfs.OpenFlag, error) {
	if flags&sqlitevfs.OPEN_MAIN_DB != 0 && name != nil && name.URIParameters().Has("fs") {
		return nil, flags, sqlitevfs.SystemError(fmt.Errorf("holdfast: open %q: %w", name.String(), errInnerFS), sqlite3.ExtendedErrorCode(sqlite3.CANTOPEN))
	}
	return d.VFS.OpenContext(openingOf(name), name, flags)
}
