package vfs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/ncruces/go-sqlite3"
	sqlitevfs "github.com/ncruces/go-sqlite3/vfs"
)

// openTimeout bounds the opening of the locks.
const openTimeout = 30 * time.Second

// Open is what SQLite calls without URI parameters: see [VFS.OpenFilename].
func (v *VFS) Open(name string, flags sqlitevfs.OpenFlag) (sqlitevfs.File, sqlitevfs.OpenFlag, error) {
	if name == "" {
		return v.OpenFilename(nil, flags)
	}
	return nil, flags, sqlite3.CANTOPEN // only OpenFilename can find the connection of a journal
}

// OpenFilename opens a main database, or a journal or WAL of one. Temporary files
// go to the operating system, so that they stay on this host. A file that may not
// be written is opened read-only.
//
// A parameter of the URI that neither SQLite nor go-sqlite3 knows goes to the
// [Opener]. Whoever opens the database again in this process gives the same ones
// or none.
//
// https://sqlite.org/c3ref/vfs.html
func (v *VFS) OpenFilename(name *sqlitevfs.Filename, flags sqlitevfs.OpenFlag) (sqlitevfs.File, sqlitevfs.OpenFlag, error) {
	return v.OpenContext(context.Background(), name, flags)
}

// OpenContext is [VFS.OpenFilename] for who waits no longer than ctx.
func (v *VFS) OpenContext(ctx context.Context, name *sqlitevfs.Filename, flags sqlitevfs.OpenFlag) (sqlitevfs.File, sqlitevfs.OpenFlag, error) {
	const temporary = sqlitevfs.OPEN_DELETEONCLOSE | sqlitevfs.OPEN_TEMP_DB | sqlitevfs.OPEN_TRANSIENT_DB |
		sqlitevfs.OPEN_TEMP_JOURNAL | sqlitevfs.OPEN_SUBJOURNAL
	if name == nil || flags&temporary != 0 {
		return sqlitevfs.Find("").(sqlitevfs.VFSFilename).OpenFilename(name, flags)
	}
	if flags&sqlitevfs.OPEN_MAIN_DB == 0 {
		return v.openSide(name, flags)
	}
	file, out, err := v.openMain(ctx, name, flags)
	if err != nil {
		if ended := ctx.Err(); ended != nil && errors.Is(err, context.Cause(ctx)) && !errors.Is(err, ended) {
			err = fmt.Errorf("%w: %w", ended, err) // the table of codes knows no causes of programs
		}
		_, err = coded(fmt.Errorf("vfs: open %q: %w", name.String(), err), sqlite3.ExtendedErrorCode(sqlite3.CANTOPEN))
	}
	return file, out, err
}

func (v *VFS) openMain(ctx context.Context, name *sqlitevfs.Filename, flags sqlitevfs.OpenFlag) (sqlitevfs.File, sqlitevfs.OpenFlag, error) {
	path, params := name.String(), name.URIParameters()
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	verifyReads, err := verifiesReads(params)
	if err != nil {
		return nil, flags, err
	}
	d, writes, err := v.joinOrPeek(ctx, path, params, flags)
	if err != nil {
		return nil, flags, err
	}
	lock, err := d.locker.NewLock()
	if err != nil {
		v.leave(d)
		return nil, flags, err
	}
	if !writes {
		flags = readOnly(flags)
	}
	f := newFile(d, lock, flags)
	f.verifyReads = verifyReads && d.fenced
	return f, flags, nil
}

// verifiesReads reads the URI parameter verify.
func verifiesReads(params url.Values) (bool, error) {
	switch v := params.Get("verify"); v {
	case "", "commit":
		return false, nil
	case "read":
		return true, nil
	default:
		return false, fmt.Errorf("verify=%s is unknown: use commit or read", v)
	}
}

// joinOrPeek gives out the database that connections share, or one of its own
// to a connection that takes no locks.
func (v *VFS) joinOrPeek(ctx context.Context, path string, params url.Values, flags sqlitevfs.OpenFlag) (*database, bool, error) {
	nolock, err := truth(params, "nolock")
	if err != nil {
		return nil, false, err
	}
	immutable, err := truth(params, "immutable")
	if err != nil {
		return nil, false, err
	}
	if !nolock && !immutable {
		return v.join(ctx, path, params, flags)
	}
	if !immutable && flags&sqlitevfs.OPEN_READWRITE != 0 {
		return nil, false, errors.New("nolock=1 would write without any lock: leave it out, or add mode=ro to read at your own risk")
	}
	d := v.newDatabase(path, params)
	d.locker = unlocked{}
	if err := d.mayPeek(); err != nil {
		return nil, false, err
	}
	b := d.newBody("")
	d.body.Store(b)
	if _, err := b.openExisting(os.O_RDONLY); err != nil {
		d.close()
		return nil, false, err
	}
	return d, false, nil
}

// mayPeek refuses to read without locks what may long be an old copy.
func (d *database) mayPeek() error {
	if _, err := d.vfs.ReadMarker(d.path); err != nil {
		return nil
	}
	if err := d.vfs.spelled(d.path); err != nil {
		return err
	}
	copies, err := d.copies()
	if err == nil && len(copies) > 0 {
		err = fmt.Errorf("only its lock knows whether it is now %q: leave out nolock and immutable, or read the file itself so", copies[0])
	}
	return err
}

// join returns the database of path, opened by the first who asks. Each success
// is matched by one leave.
func (v *VFS) join(ctx context.Context, path string, params url.Values, flags sqlitevfs.OpenFlag) (*database, bool, error) {
	for {
		v.mu.Lock()
		d := v.databases[path]
		if d == nil {
			d = v.newDatabase(path, params)
			d.flags = flags
			v.databases[path] = d
			v.mu.Unlock()
			writes, err := v.start(ctx, d, flags)
			return d, writes, err
		}
		if d.refs == 0 { // the last connection is just closing it
			v.mu.Unlock()
			select {
			case <-d.gone:
				continue
			case <-ctx.Done():
				return nil, false, ctx.Err()
			}
		}
		d.refs++
		v.mu.Unlock()
		select {
		case <-d.open:
		case <-ctx.Done():
			v.giveUp(d)
			return nil, false, ctx.Err()
		}
		if d.err != nil && !d.abandoned && flags == d.flags && maps.EqualFunc(d.params, lockParams(params), slices.Equal) {
			return nil, false, d.err
		} else if d.err != nil {
			continue // that was somebody else's mistake
		}
		writes, err := d.again(ctx, params, flags)
		if err != nil {
			v.leave(d)
		}
		return d, writes, err
	}
}

func (v *VFS) newDatabase(path string, params url.Values) *database {
	return &database{
		vfs: v, path: path, params: lockParams(params), modeof: params.Get("modeof"),
		refs: 1, open: make(chan struct{}), gone: make(chan struct{}),
	}
}

// start opens a database for the first connection. If that fails, the next one
// starts from nothing.
func (v *VFS) start(ctx context.Context, d *database, flags sqlitevfs.OpenFlag) (writes bool, err error) {
	writes, d.err = d.begin(ctx, flags)
	if d.err != nil {
		d.abandoned = ctx.Err() != nil
		d.close()
		v.mu.Lock()
		delete(v.databases, d.path)
		v.mu.Unlock()
		close(d.gone)
	}
	close(d.open)
	return writes, d.err
}

// giveUp is leave for who did not wait until the database was open, or could not be opened.
func (v *VFS) giveUp(d *database) {
	v.mu.Lock()
	select {
	case <-d.open:
		v.mu.Unlock()
		if d.err == nil {
			v.leave(d)
		}
	default:
		d.refs-- // whoever opens it is still in
		v.mu.Unlock()
	}
}

// leave ends one connection's use of the database. The last one closes the
// locks, which is bounded by the Locker.
func (v *VFS) leave(d *database) {
	v.mu.Lock()
	d.refs--
	last := d.refs == 0
	v.mu.Unlock()
	if !last {
		return
	}
	d.finish()
	v.mu.Lock()
	if v.databases[d.path] == d {
		delete(v.databases, d.path)
	}
	v.mu.Unlock()
	close(d.gone)
}

// isLast reports whether one connection alone uses the database.
func (v *VFS) isLast(d *database) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return d.refs == 1
}

func openFlag(flags sqlitevfs.OpenFlag) int {
	flag := os.O_RDONLY
	if flags&sqlitevfs.OPEN_READWRITE != 0 {
		flag = os.O_RDWR
	}
	if flags&sqlitevfs.OPEN_CREATE != 0 {
		flag |= os.O_CREATE
	}
	return flag
}

// readOnly turns the flags of an opening into those of one that only reads.
func readOnly(flags sqlitevfs.OpenFlag) sqlitevfs.OpenFlag {
	return flags&^(sqlitevfs.OPEN_READWRITE|sqlitevfs.OPEN_CREATE) | sqlitevfs.OPEN_READONLY
}

// lockParams leaves out the parameters of SQLite and of go-sqlite3's driver.
func lockParams(params url.Values) url.Values {
	own := maps.Clone(params)
	maps.DeleteFunc(own, func(key string, _ []string) bool {
		switch key {
		case "vfs", "mode", "cache", "psow", "nolock", "immutable", "modeof", "verify":
			return true
		}
		return strings.HasPrefix(key, "_")
	})
	return own
}

// truth reads a boolean URI parameter. What SQLite, which reads it too, could take for the
// opposite is an error: it would go without locks that we believe it takes.
//
// https://sqlite.org/c3ref/uri_boolean.html
func truth(params url.Values, key string) (bool, error) {
	switch s := params.Get(key); strings.ToLower(s) {
	case "1", "yes", "on", "true":
		return true, nil
	case "", "0", "no", "off", "false":
		return false, nil
	default:
		return false, fmt.Errorf("%s=%s: write 0 or 1", key, s)
	}
}
