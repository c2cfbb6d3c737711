package wasmplugins

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ncruces/go-sqlite3"

	"github.com/holdfastdb/holdfast"
	"github.com/holdfastdb/holdfast/backends/memory"
	"github.com/holdfastdb/holdfast/locking"
)

// A cell is a lease in memory that one process can be cut off from.
type cell struct {
	locking.Register
	cut atomic.Bool
}

func (c *cell) Read(ctx context.Context) ([]byte, locking.Version, error) {
	if c.cut.Load() {
		return nil, locking.Unused, locking.ErrUnreachable
	}
	return c.Register.Read(ctx)
}

func (c *cell) CompareAndSwap(ctx context.Context, old locking.Version, value []byte) (locking.Version, error) {
	if c.cut.Load() {
		return locking.Unused, locking.ErrUnreachable
	}
	return c.Register.CompareAndSwap(ctx, old, value)
}

// cells are by the path of the database, and processes by the host in their lock URL.
var cells, processes sync.Map

func init() {
	locking.RegisterBackend("fscell", locking.LeaseBackend(func(_ context.Context, u *url.URL, database string) (locking.Register, error) {
		shared, _ := cells.LoadOrStore(database, memory.New())
		c := &cell{Register: shared.(locking.Register)}
		processes.Store(database+u.Host, c)
		return c, nil
	}))
}

// cipherName is a data source name of a database in cipherfs.
func cipherName(t testing.TB, path, lock string) string {
	t.Helper()
	q := url.Values{"dir": {filepath.Dir(path)}, "secret": {"key:" + keyVariable}}
	fs := "wasm://" + filepath.ToSlash(built(t, "guests/cipherfs")) + "?" + q.Encode()
	return "file:" + filepath.ToSlash(path) + "?mode=rwc&_pragma=busy_timeout(20000)&lock=" + lock + "&fs=" + url.QueryEscape(fs)
}

func openName(t testing.TB, name string) *sql.DB {
	t.Helper()
	db, err := sql.Open("holdfast", name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func execute(t testing.TB, db *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func value[T any](t testing.TB, db *sql.DB, query string) (v T) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), query).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

// rows makes a table of some pages.
const rows = `CREATE TABLE t(id INTEGER PRIMARY KEY, text TEXT);
	WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c WHERE n<400)
	INSERT INTO t SELECT n, printf('the secret of %d ', n) || hex(zeroblob(100)) FROM c`

// A database in cipherfs is one, in each journal mode, and for nobody without the key.
func TestDatabaseInCipherfs(t *testing.T) {
	t.Setenv(keyVariable, someKey)
	for _, mode := range []string{"delete", "truncate", "persist", "wal"} {
		t.Run(mode, func(t *testing.T) {
			t.Setenv(keyVariable, someKey)
			path := filepath.Join(t.TempDir(), "app.db")
			name := cipherName(t, path, "leasefile")
			db := openName(t, name)
			if got := value[string](t, db, "PRAGMA journal_mode="+mode); got != mode {
				t.Fatalf("journal_mode is %s", got)
			}
			execute(t, db, rows, `UPDATE t SET text = text || 'changed' WHERE id % 3 = 0`, `DELETE FROM t WHERE id > 390`)
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			db = openName(t, name)
			if n := value[int](t, db, `SELECT count(*) FROM t WHERE text LIKE 'the secret%'`); n != 390 {
				t.Errorf("%d rows", n)
			}
			if got := value[string](t, db, `PRAGMA integrity_check`); got != "ok" {
				t.Error(got)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			staysSecret(t, path)
			isRefused(t, path, name)
		})
	}
}

// staysSecret looks for what the database has in the files beside it.
func staysSecret(t *testing.T, path string) {
	t.Helper()
	names, err := filepath.Glob(path + "*")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		if name == path+".lease" {
			continue // a directory, which is not the plugin's
		}
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte("secret")) || bytes.Contains(b, []byte("SQLite format")) {
			t.Errorf("%s can be read", filepath.Base(name))
		}
	}
}

// isRefused opens the database without the plugin, and with another key.
func isRefused(t *testing.T, path, name string) {
	t.Helper()
	stock, err := sqlite3.Open("file:" + filepath.ToSlash(path))
	if err == nil {
		err = stock.Exec(`SELECT * FROM sqlite_schema`)
		stock.Close()
	}
	if !errors.Is(err, sqlite3.NOTADB) {
		t.Errorf("stock SQLite reads it: %v", err)
	}
	t.Setenv(keyVariable, strings.Repeat("11", 32))
	_, err = openName(t, name).Exec(`SELECT * FROM t`)
	if err == nil || !strings.Contains(err.Error(), "wrong key") || strings.Contains(err.Error(), "not a database") {
		t.Errorf("with another key: %v", err)
	}
	t.Setenv(keyVariable, "")
	_, err = openName(t, name).Exec(`SELECT * FROM t`)
	if err == nil || !strings.Contains(err.Error(), "key= is missing") {
		t.Errorf("without a key: %v", err)
	}
	t.Setenv(keyVariable, someKey)
}

// The size of what cipherfs writes for each page.
const (
	cipherHead  = 64
	cipherBlock = 4096 + 40
)

// A byte that was changed in any page is found when the page is read, and said.
func TestFlippedByte(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "app.db")
	files := cipherfs(t, dir, someKey)
	open := func() *sql.DB {
		db, err := holdfast.Open("file:"+filepath.ToSlash(path)+"?mode=rwc", holdfast.Options{FS: files, Lock: "leasefile"})
		if err != nil {
			t.Fatal(err)
		}
		return db
	}
	db := open()
	execute(t, db, rows)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	pages := (len(file) - cipherHead) / cipherBlock
	if pages < 8 {
		t.Fatalf("%d pages", pages)
	}
	for page := range pages {
		bad := bytes.Clone(file)
		bad[cipherHead+page*cipherBlock+(page*997)%cipherBlock] ^= 4
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		db := open()
		_, err := db.ExecContext(t.Context(), `SELECT sum(length(text)) FROM t`)
		if err == nil || !strings.Contains(err.Error(), "damaged") || !strings.Contains(err.Error(), fmt.Sprintf("block %d of", page)) {
			t.Errorf("page %d: %v", page+1, err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Two pools, each with an instance of its own, are as two processes: one writes at a time,
// and each sees what the other one committed.
func TestTwoPoolsInCipherfs(t *testing.T) {
	t.Setenv(keyVariable, someKey)
	path := filepath.Join(t.TempDir(), "app.db")
	name := cipherName(t, path, "leasefile&poll=20ms&_txlock=immediate")
	a, b := openName(t, name), openName(t, name)
	execute(t, a, `CREATE TABLE t(x)`)
	for i := range 4 {
		execute(t, a, `INSERT INTO t VALUES (1)`)
		execute(t, b, `INSERT INTO t VALUES (1)`)
		if n := value[int](t, a, `SELECT count(*) FROM t`); n != 2*i+2 {
			t.Errorf("%d rows after %d turns", n, i+1)
		}
	}
	tx, err := a.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.Exec(`INSERT INTO t VALUES (2)`); err != nil {
		t.Fatal(err)
	}
	held := new(holdfast.HeldError)
	impatient := openName(t, strings.Replace(name, "20000", "100", 1))
	if _, err := impatient.Exec(`INSERT INTO t VALUES (3)`); !errors.As(err, &held) {
		t.Errorf("while another one writes: %v", err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if n := value[int](t, b, `SELECT count(*) FROM t`); n != 9 {
		t.Errorf("%d rows", n)
	}
}

// The whole VFS runs in WebAssembly: bytes by one plugin, and the lease by another. The
// lease is in the memory of one instance, which all use.
func TestWholeVFSInWebAssembly(t *testing.T) {
	t.Setenv(keyVariable, someKey)
	p, err := Load(t.Context(), Options{Path: built(t, "testdata/cell")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	path := filepath.Join(t.TempDir(), "app.db")
	r, err := p.register(t.Context(), path, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	cells.Store(path, r)
	name := cipherName(t, path, "fscell://a&poll=20ms")
	a, b := openName(t, name), openName(t, name)
	execute(t, a, rows)
	execute(t, b, `UPDATE t SET text = 'other' WHERE id = 7`)
	if got := value[string](t, a, `SELECT text FROM t WHERE id = 7`); got != "other" {
		t.Errorf("it reads %q", got)
	}
	if _, version, err := r.Read(t.Context()); version == locking.Unused || err != nil {
		t.Errorf("the lease was not used: %q, %v", version, err)
	}
}

// After an instance broke, what was under way fails, and the pool opens the database anew.
func TestPoolAfterABrokenInstance(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "app.db")
	f := cipherfs(t, dir, someKey)
	db, err := holdfast.Open("file:"+filepath.ToSlash(path), holdfast.Options{FS: f, Lock: "leasefile", Params: url.Values{
		"mode": {"rwc"}, "ttl": {"5s"}, "_pragma": {"busy_timeout(20000)", "cache_size(4)"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxIdleConns(3)
	execute(t, db, rows)
	var idle []*sql.Conn
	for range 3 {
		c, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.ExecContext(t.Context(), `SELECT count(*) FROM t`); err != nil {
			t.Fatal(err)
		}
		idle = append(idle, c)
	}
	for _, c := range idle {
		c.Close()
	}
	f.mu.Lock()
	f.now.close(errTime)
	f.mu.Unlock()
	if _, err := db.Exec(`SELECT sum(length(text)) FROM t`); !errors.Is(err, ErrBroken) {
		t.Fatalf("after the instance broke: %v", err)
	}
	if n := value[int](t, db, `SELECT count(*) FROM t WHERE text LIKE 'the secret%'`); n != 400 {
		t.Errorf("%d rows", n)
	}
	execute(t, db, `DELETE FROM t WHERE id = 1`)
}

// A process dies in the middle of its work, when it has already written over pages, of
// which one is torn. The next one takes over: it copies the database through the plugin,
// damage included, and SQLite repairs the copy.
func TestTakeoverInCipherfs(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "app.db")
	dying := cipherfs(t, dir, someKey)
	a, err := holdfast.Open("file:"+filepath.ToSlash(path), holdfast.Options{FS: dying, Lock: "fscell://a", Params: url.Values{
		"mode": {"rwc"}, "ttl": {"600ms"}, "_pragma": {"cache_size(4)", "cache_spill(4)"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close() // which says that it was lost
	execute(t, a, rows)
	sum := value[string](t, a, `SELECT group_concat(text) FROM t`)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	tx, err := a.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.Exec(`UPDATE t SET text = 'lost' || text`); err != nil {
		t.Fatal(err)
	}
	c, _ := processes.Load(path + "a")
	c.(*cell).cut.Store(true)
	if err := dying.Close(); err != nil {
		t.Fatal(err)
	}
	tear(t, path, before)

	db := openName(t, cipherName(t, path, "fscell://b&ttl=600ms&poll=20ms"))
	if got := value[string](t, db, `SELECT group_concat(text) FROM t`); got != sum {
		t.Errorf("the rows are other ones: %.50q", got)
	}
	if got := value[string](t, db, `PRAGMA integrity_check`); got != "ok" {
		t.Error(got)
	}
	execute(t, db, `INSERT INTO t(text) VALUES ('goes on')`)
	copies, err := filepath.Glob(path + "@*")
	if err != nil || len(copies) == 0 {
		t.Errorf("there is no copy: %v, %v", copies, err)
	}
	staysSecret(t, path)
}

// tear damages every page that was written since, in its middle, as a power cut would.
func tear(t *testing.T, path string, before []byte) {
	t.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	torn := 0
	for at := cipherHead; at+cipherBlock <= len(before); at += cipherBlock {
		if !bytes.Equal(before[at:at+cipherBlock], file[at:at+cipherBlock]) {
			copy(file[at+2048:at+cipherBlock], before[at+2048:])
			torn++
		}
	}
	if torn == 0 {
		t.Fatal("nothing was written over")
	}
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
}
