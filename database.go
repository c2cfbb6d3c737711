package holdfast

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	sqlitevfs "github.com/ncruces/go-sqlite3/vfs"
	"github.com/spf13/afero"

	"github.com/holdfastdb/holdfast/locking"
	"github.com/holdfastdb/holdfast/vfs"
)

// A world is a VFS and the databases that are open through it.
type world struct {
	name   string // of the VFS
	vfs    *vfs.VFS
	files  afero.Fs  // where they are
	closer io.Closer // is closed with it; may be nil

	mu        sync.Mutex
	databases map[string]*database // by path; guarded by mu
	conns     int                  // open connections; guarded by mu
	closed    bool                 // guarded by mu
}

// common is the world of everybody who names the VFS in a URI.
var common = newWorld(driverName, nil)

// worlds counts those that were made.
var worlds atomic.Int64

// nextWorld names one more world.
func nextWorld() string { return fmt.Sprintf("%s-%d", driverName, worlds.Add(1)) }

func newWorld(name string, files afero.Fs) *world {
	if files == nil {
		files = afero.NewOsFs()
	}
	w := &world{name: name, files: files, databases: make(map[string]*database)}
	w.vfs = vfs.New(files, w.openLock)
	sqlitevfs.Register(name, door{w.vfs})
	return w
}

// enter and leave count connections: go-sqlite3 needs the VFS until the last one
// is closed, which may be after its pool was.
func (w *world) enter() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns++
}

func (w *world) leave() {
	w.mu.Lock()
	w.conns--
	over := w.closed && w.conns == 0
	w.mu.Unlock()
	if !over {
		return
	}
	if err := w.end(); err != nil {
		slog.Warn("holdfast: closing a file system", "name", w.files.Name(), "err", err)
	}
}

// close ends a world after its last connection, except for the common one.
func (w *world) close() error {
	if w == common {
		return nil
	}
	w.mu.Lock()
	over := !w.closed && w.conns == 0
	w.closed = true
	w.mu.Unlock()
	if !over {
		return nil
	}
	return w.end()
}

// end is called once.
func (w *world) end() error {
	sqlitevfs.Unregister(w.name)
	if w.closer == nil {
		return nil
	}
	return w.closer.Close()
}

// openLock is the [vfs.Opener]: the one place where the lock of a database is
// chosen, whether it is opened by a pool, by ATTACH or by go-sqlite3 itself.
func (w *world) openLock(ctx context.Context, path string, values url.Values, storage locking.Storage) (locking.Locker, error) {
	if err := checkParams(values); err != nil {
		return nil, err
	}
	choice, err := chooseLock(values)
	if err != nil {
		return nil, err
	}
	if choice.automatic() && w.isElsewhere() {
		return nil, errAutoFS
	}
	if choice, err = choice.resolve(w.vfs, path); err != nil {
		return nil, err
	}
	files := &watched{Storage: storage}
	locker, err := choice.open(ctx, path, files)
	if err != nil {
		return nil, err
	}
	if err := w.mayCreate(ctx, path, locker); err != nil {
		return nil, errors.Join(err, locker.Close(ctx))
	}
	d := newDatabase(w, path, locker)
	d.storage = files
	grade := locker.Grade()
	slog.Info("database open", "path", path, "lock", choice.String(), "grade", string(grade), "promise", grade.Promise())
	return d, nil
}

// mayCreate looks whether the lock can be had at all, if the database is about to
// be created: so that a mistake there leaves no empty file behind. One that lies
// there under another name is not created anew beside it.
func (w *world) mayCreate(ctx context.Context, path string, locker locking.Locker) error {
	exists, err := w.vfs.Access(path, sqlitevfs.ACCESS_EXISTS)
	if err != nil || exists {
		return err
	}
	if _, err = locker.Status(ctx); err != nil || locker.Grade() != locking.GradeKernel {
		return err
	}
	copies, err := w.vfs.Candidates(path)
	if err == nil && len(copies) > 0 {
		err = fmt.Errorf("it is not there, but %s is: it was used with a lease: name that with lock=, or see holdfast adopt", copies[0].File)
	}
	return err
}

// A database is the locker of one that is open, and what this process does when
// another one asks for it.
type database struct {
	locking.Locker
	world   *world
	path    string
	storage *watched // where it lies

	asks  bool                      // it calls yield
	asked atomic.Pointer[time.Time] // when another process asked last

	broken atomic.Bool // its file is, so that all connections to it are to be closed

	mu    sync.Mutex
	conns map[*conn]struct{} // guarded by mu; open connections of a pool
}

func newDatabase(w *world, path string, locker locking.Locker) *database {
	d := &database{Locker: locker, world: w, path: path, conns: make(map[*conn]struct{})}
	if asker, ok := locker.(locking.Asker); ok {
		// It ends by itself with the locker. To wait for it there would be to wait
		// for oneself when a connection that yields is the last one.
		d.asks = true
		asker.OnAsked(d.yield)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.databases[path] = d
	return d
}

// Close is called by the VFS after the last connection.
func (d *database) Close(ctx context.Context) error {
	d.world.mu.Lock()
	if d.world.databases[d.path] == d {
		delete(d.world.databases, d.path)
	}
	d.world.mu.Unlock()
	return d.Locker.Close(ctx)
}

// join and part keep the set of connections.
func (d *database) join(c *conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.conns[c] = struct{}{}
}

func (d *database) part(c *conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.conns, c)
}
