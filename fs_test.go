package holdfast

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/spf13/afero"

	"github.com/holdfastdb/holdfast/internal/fsscheme"
)

// A shelf is the file system of fs=shelf:///DIR: a directory of the machine under which
// all paths are.
type shelf struct {
	afero.Fs
	closed atomic.Bool
}

// shelves counts those that are open, and shelved all that ever were.
var shelves, shelved atomic.Int64

func (s *shelf) Close() error {
	if s.closed.Swap(true) {
		return errors.New("closed twice")
	}
	shelves.Add(-1)
	return nil
}

func init() {
	fsscheme.Register("shelf", func(ctx context.Context, u *url.URL) (afero.Fs, error) {
		if u.Query().Has("never") {
			<-ctx.Done()
			return nil, context.Cause(ctx)
		}
		if _, err := os.Stat(u.Path); err != nil {
			return nil, err
		}
		shelves.Add(1)
		shelved.Add(1)
		return &shelf{Fs: afero.NewBasePathFs(afero.NewOsFs(), u.Path)}, nil
	})
}

// onShelf is a data source name of a database that lies at /app.db on a shelf.
func onShelf(dir string, params ...string) string {
	return "file:/app.db?" + strings.Join(append(params, "fs=shelf://"+filepath.ToSlash(dir)), "&")
}

// A pool opens its file system with its first connection, once, and closes it after its
// last one.
func TestFileSystemOfAName(t *testing.T) {
	dir := t.TempDir()
	open, ever := shelves.Load(), shelved.Load()
	db, err := sql.Open("holdfast", onShelf(dir, "mode=rwc", "lock=cell"))
	if err != nil {
		t.Fatal(err)
	}
	if shelves.Load() != open {
		t.Error("the file system is opened before the first connection")
	}
	exec(t, db, `CREATE TABLE t (x); INSERT INTO t VALUES (1)`)
	if _, err := os.Stat(filepath.Join(dir, "app.db")); err != nil {
		t.Error(err)
	}
	a, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if n := query[int](t, b, `SELECT count(*) FROM t`); n != 1 {
		t.Errorf("%d rows", n)
	}
	b.Close()
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	if shelves.Load() != open+1 {
		t.Error("the file system is closed before the last connection")
	}
	a.Close()
	if shelves.Load() != open || shelved.Load() != ever+1 {
		t.Errorf("%d file systems stay open, of %d", shelves.Load()-open, shelved.Load()-ever)
	}
	if err := db.PingContext(t.Context()); err == nil {
		t.Error("a closed pool connects")
	}
}

// A connection that the driver itself opens has no pool, and closes its file system.
func TestFileSystemOfOneConnection(t *testing.T) {
	dir := t.TempDir()
	before := shelves.Load()
	c, err := sqlDriver{}.Open(onShelf(dir, "mode=rwc", "lock=cell"))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.(*conn).Raw().Exec(`CREATE TABLE t (x)`); err != nil || shelves.Load() != before+1 {
		t.Errorf("%v, with %d file systems", err, shelves.Load()-before)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, err := (sqlDriver{}).Open(onShelf(dir, "mode=rwc", "lock=cell", "_pragma=nonsense(")); err == nil {
		t.Error("a connection that cannot be prepared is opened")
	}
	if n := shelves.Load() - before; n != 0 {
		t.Errorf("%d file systems stay open", n)
	}
}

// One that cannot be opened now may be later.
func TestFileSystemThatComesLater(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "later")
	db := open(t, onShelf(dir, "mode=rwc", "lock=cell"), Options{})
	if err := db.Ping(); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "open the file system of fs=") {
		t.Errorf("without it: %v", err)
	}
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	exec(t, db, `CREATE TABLE t (x)`)
}

// Whoever waits for a file system waits no longer than the context, and not beyond the
// end of the pool.
func TestFileSystemThatNeverComes(t *testing.T) {
	db, err := Open("file:/app.db?lock=cell&fs=shelf:///%3Fnever=1", Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := db.PingContext(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("after the deadline: %v", err)
	}
	failed := make(chan error, 1)
	go func() {
		_, err := db.Conn(context.Background())
		failed <- err
	}()
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	select {
	case err := <-failed:
		if err == nil {
			t.Error("it came")
		}
	case <-time.After(10 * time.Second):
		t.Error("a connection is still being opened after the end of the pool")
	}
}

func TestFileSystemThatIsRefused(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		name, dsn string
		o         Options
		want      string
	}{
		{"without a lock", onShelf(dir), Options{}, "what lock suits this file system cannot be told: name one with lock="},
		{"with lock=auto", onShelf(dir, "lock=auto"), Options{}, "name one with lock="},
		{"with Options.FS", onShelf(dir, "lock=cell"), Options{FS: afero.NewMemMapFs()}, "leave one of them out"},
		{"twice", onShelf(dir, "lock=cell", "fs=shelf:///x"), Options{}, "fs is given twice"},
		{"in memory", "file::memory:?fs=shelf:///x", Options{}, "a database in memory or a temporary one has no file system"},
		{"unknown", "file:/app.db?lock=cell&fs=other:///x", Options{}, `no file system "other": use one of shelf`},
		{"no URL", "file:/app.db?lock=cell&fs=%2Fx", Options{}, `no file system ""`},
		{"misspelt", "file:/app.db?lock=cell&sf=shelf:///x", Options{}, "unknown parameter"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			db, err := Open(tt.dsn, tt.o)
			if err == nil {
				db.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
}

// Whoever comes to the VFS past a pool cannot choose a file system, and never gets the
// machine's files in place of it.
func TestFileSystemPastAPool(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	exec(t, open(t, "plain.db", Options{}), `CREATE TABLE t (x)`)
	const want = "fs is for the data source name of a pool"
	for _, more := range []string{"", "&immutable=1", "&mode=ro&nolock=1"} {
		name := "file:plain.db?vfs=holdfast&lock=flock&fs=shelf://" + filepath.ToSlash(dir) + more
		raw, err := sqlite3.Open(name)
		if err == nil {
			raw.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", more, err)
		}
		for _, pool := range []*sql.DB{open(t, "plain.db", Options{}), open(t, onShelf(dir, "mode=rwc", "lock=cell"), Options{})} {
			_, err := pool.Exec(`ATTACH '` + strings.Replace(name, "vfs=holdfast&", "", 1) + `' AS other`)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("ATTACH%s: %v", more, err)
			}
		}
	}
}

// What a pool with a file system of its own attaches lies there too, and its lock is not
// chosen by what the machine has at that path.
func TestAttachBesideAFileSystem(t *testing.T) {
	dir := t.TempDir()
	db := open(t, onShelf(dir, "mode=rwc", "lock=cell"), Options{})
	db.SetMaxOpenConns(1)
	exec(t, db, `ATTACH 'file:/other.db?lock=cell' AS other; CREATE TABLE other.t (x)`)
	if _, err := os.Stat(filepath.Join(dir, "other.db")); err != nil {
		t.Error(err)
	}
	if _, err := db.Exec(`ATTACH '/third.db' AS third`); err == nil || !strings.Contains(err.Error(), "name one with lock=") {
		t.Errorf("without a lock: %v", err)
	}
}

// Status, Inspect, Adopt and Settle look where the name says.
func TestLooksIntoAFileSystem(t *testing.T) {
	dir := t.TempDir()
	open, name := shelves.Load(), "file:/looked.db?mode=rwc&lock=cell&fs=shelf://"+filepath.ToSlash(dir)
	if _, err := Status(t.Context(), name); err == nil || !strings.Contains(err.Error(), "there is no such database") {
		t.Errorf("before it is there: %v", err)
	}
	db, err := Open(name, Options{})
	if err != nil {
		t.Fatal(err)
	}
	exec(t, db, `CREATE TABLE t (x)`)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	status, err := Status(t.Context(), name)
	if err != nil || status.Database != "looked.db" || len(status.Notes) > 0 {
		t.Errorf("status: %+v, %v", status, err)
	}
	inv, err := Inspect(t.Context(), name)
	if err != nil || inv.Damage != nil || !inv.Elsewhere || len(inv.Candidates) != 1 || inv.Candidates[0].Size == 0 {
		t.Errorf("inventory: %+v, %v", inv, err)
	}
	if err := Adopt(t.Context(), name, ""); !errors.Is(err, ErrIntact) {
		t.Errorf("adopt: %v", err)
	}
	if err := Settle(t.Context(), name, false, nil); err != nil {
		t.Errorf("settle: %v", err)
	}
	if shelves.Load() != open {
		t.Errorf("%d file systems stay open", shelves.Load()-open)
	}
}
