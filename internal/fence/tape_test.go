package fence

import (
	"io"
	"maps"
	"testing"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/util/vfsutil"
	sqlitevfs "github.com/ncruces/go-sqlite3/vfs"
)

// A disk is files in memory. Contents are never changed in place, so that a copy of
// the map is a snapshot.
type disk map[string]node

type node struct {
	id   int // another one for each creation
	data string
}

type kind int

const (
	create kind = iota
	write
	truncate
	syncFile
	remove
)

// An op is one thing that SQLite did to a file.
type op struct {
	kind kind
	name string
	off  int64
	data string
}

var lastID int

func (d disk) apply(o op) {
	n := d[o.name]
	switch o.kind {
	case create:
		lastID++
		n.id = lastID
	case write:
		b := make([]byte, max(int64(len(n.data)), o.off+int64(len(o.data))))
		copy(b, n.data)
		copy(b[o.off:], o.data)
		n.data = string(b)
	case truncate:
		b := make([]byte, o.off)
		copy(b, n.data)
		n.data = string(b)
	case remove:
		delete(d, o.name)
		return
	case syncFile:
		return
	}
	d[o.name] = n
}

// A tape is a VFS for SQLite on a disk. It writes down what SQLite does.
type tape struct {
	disk disk
	ops  []op
}

func (t *tape) did(o op) {
	t.ops = append(t.ops, o)
	t.disk.apply(o)
}

func (t *tape) Open(name string, flags sqlitevfs.OpenFlag) (sqlitevfs.File, sqlitevfs.OpenFlag, error) {
	if name == "" {
		return &vfsutil.SliceFile{}, flags | sqlitevfs.OPEN_MEMORY, nil
	}
	if _, there := t.disk[name]; !there {
		if flags&sqlitevfs.OPEN_CREATE == 0 {
			return nil, flags, sqlite3.CANTOPEN
		}
		t.did(op{kind: create, name: name})
	}
	return &tapeFile{tape: t, name: name}, flags, nil
}

func (t *tape) Delete(name string, _ bool) error {
	if _, there := t.disk[name]; !there {
		return sqlite3.IOERR_DELETE_NOENT
	}
	t.did(op{kind: remove, name: name})
	return nil
}

func (t *tape) Access(name string, _ sqlitevfs.AccessFlag) (bool, error) {
	_, there := t.disk[name]
	return there, nil
}

func (t *tape) FullPathname(name string) (string, error) { return name, nil }

type tapeFile struct {
	tape *tape
	name string
}

func (f *tapeFile) ReadAt(b []byte, off int64) (int, error) {
	data := f.tape.disk[f.name].data
	n := copy(b, data[min(off, int64(len(data))):])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *tapeFile) WriteAt(b []byte, off int64) (int, error) {
	f.tape.did(op{write, f.name, off, string(b)})
	return len(b), nil
}

func (f *tapeFile) Truncate(size int64) error {
	f.tape.did(op{kind: truncate, name: f.name, off: size})
	return nil
}

func (f *tapeFile) Sync(sqlitevfs.SyncFlag) error {
	f.tape.did(op{kind: syncFile, name: f.name})
	return nil
}

func (f *tapeFile) Size() (int64, error)             { return int64(len(f.tape.disk[f.name].data)), nil }
func (f *tapeFile) Lock(sqlitevfs.LockLevel) error   { return nil }
func (f *tapeFile) Unlock(sqlitevfs.LockLevel) error { return nil }
func (f *tapeFile) CheckReservedLock() (bool, error) { return false, nil }
func (f *tapeFile) SectorSize() int                  { return 0 }
func (f *tapeFile) Close() error                     { return nil }
func (f *tapeFile) DeviceCharacteristics() sqlitevfs.DeviceCharacteristic {
	return sqlitevfs.IOCAP_POWERSAFE_OVERWRITE
}

// A history is what SQLite did in a run of transactions.
type history struct {
	wal    bool
	start  disk // before the first
	ops    []op
	states []string // contents: at first, then after each transaction
	ends   []int    // how many ops were done after each transaction
}

const dump = `SELECT coalesce(group_concat(id||':'||hex(v), ','), '') || (SELECT '|' || integrity_check FROM pragma_integrity_check) FROM (SELECT * FROM t ORDER BY id)`

// record runs transactions, each of which is one script, in one connection, on a
// database that another one made.
func record(t testing.TB, pragmas, setup string, scripts ...string) *history {
	t.Helper()
	rec := &tape{disk: disk{}}
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	db, shut := open(t, rec, "app.db")
	must(db.Exec(pragmas + setup))
	must(shut())
	db, shut = open(t, rec, "app.db")
	must(db.Exec(pragmas + "PRAGMA wal_checkpoint(truncate)"))
	h := &history{start: maps.Clone(rec.disk), states: []string{content(t, db)}}
	h.wal = rec.disk["app.db"].data[18] == 2
	rec.ops = nil
	for _, script := range scripts {
		must(db.Exec(script))
		h.states = append(h.states, content(t, db))
		h.ends = append(h.ends, len(rec.ops))
	}
	must(shut())
	h.ops = rec.ops
	return h
}

func open(t testing.TB, v sqlitevfs.VFS, name string) (db *sqlite3.Conn, shut func() error) {
	t.Helper()
	const vfsName = "fence-tape" // SQLite asks by this name at each call
	sqlitevfs.Register(vfsName, v)
	db, err := sqlite3.Open("file:" + name + "?vfs=" + vfsName)
	if err != nil {
		t.Fatal(err)
	}
	return db, func() error {
		defer sqlitevfs.Unregister(vfsName)
		return db.Close()
	}
}

func content(t testing.TB, db *sqlite3.Conn) string {
	t.Helper()
	stmt, _, err := db.Prepare(dump)
	if err != nil {
		return err.Error()
	}
	defer stmt.Close()
	stmt.Step()
	if err := stmt.Err(); err != nil {
		return err.Error()
	}
	return stmt.ColumnText(0)
}

// recovered returns what SQLite makes of a database.
func recovered(t testing.TB, files disk, name string) string {
	t.Helper()
	rec := &tape{disk: maps.Clone(files)}
	db, shut := open(t, rec, name)
	defer shut()
	if err := db.Exec("PRAGMA locking_mode=exclusive"); err != nil {
		return err.Error()
	}
	return content(t, db)
}
