package vfstest_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/holdfastdb/holdfast/backends/memory"
	"github.com/holdfastdb/holdfast/locking"
	"github.com/holdfastdb/holdfast/vfs"
	"github.com/holdfastdb/holdfast/vfs/vfstest"
	"github.com/ncruces/go-sqlite3"
	sqlitevfs "github.com/ncruces/go-sqlite3/vfs"
	"github.com/spf13/afero"
)

// small has files read in portions of a page, so that there is time for much
// between two of them.
type small struct{ afero.Fs }

func (s small) OpenFile(name string, flag int, perm os.FileMode) (afero.File, error) {
	f, err := s.Fs.OpenFile(name, flag, perm)
	return smallFile{f}, err
}

func (s small) Open(name string) (afero.File, error) { return s.OpenFile(name, os.O_RDONLY, 0) }

type smallFile struct{ afero.File }

func (f smallFile) ReadAt(p []byte, off int64) (int, error) {
	return f.File.ReadAt(p[:min(len(p), 4096)], off)
}

const (
	staleSchema = `
		CREATE TABLE account(id INTEGER PRIMARY KEY, sum INTEGER, filler BLOB);
		CREATE TABLE log(who TEXT, n INTEGER);
		WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c WHERE n<40)
		INSERT INTO account SELECT n, 100, randomblob(600) FROM c;`
	staleTransfer = `
		UPDATE account SET sum = sum-1 WHERE id <= 20;
		UPDATE account SET sum = sum+1 WHERE id > 20;
		INSERT INTO log VALUES ('%s', %d);`
)

// A frost is one way in which a holder works when it is stopped.
type frost struct {
	mode    string // SQL that sets the journal mode
	variant string // commit, rollback or recovery
}

// A moment is where the holder is stopped, and how far the next one comes until it
// goes on: to the end, or to an operation of its own.
type moment struct {
	holder int // the operation, counted from 1
	next   int // counted from 1; 0 is the end
}

// A round is one database, stopped at one moment.
type round struct {
	frost
	moment
	stale stale

	dir  string
	path string
	reg  *memory.Register

	acked   map[string]bool // transactions that were acknowledged
	begun   map[string]bool // and those that were begun
	reached bool            // the holder was stopped
}

func (r *round) connect(process string) (*sqlite3.Conn, error) {
	return sqlite3.Open("file:" + filepath.ToSlash(r.path) + "?vfs=" + process)
}

// transfer runs a transaction and notes whether it was acknowledged.
func (r *round) transfer(conn *sqlite3.Conn, who string, n int, end string) error {
	row := fmt.Sprintf("%s%d", who, n)
	if end == "COMMIT" {
		r.begun[row] = true
	}
	err := conn.Exec("BEGIN IMMEDIATE;" + fmt.Sprintf(staleTransfer, who, n) + end)
	if err == nil && end == "COMMIT" {
		r.acked[row] = true
	}
	return vfs.Explain(conn, err)
}

// run plays the round and returns what went wrong.
func (r *round) run() error {
	r.path = filepath.Join(r.dir, "app.db")
	r.reg = memory.New()
	r.acked, r.begun = make(map[string]bool), make(map[string]bool)
	if err := r.prepare(); err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	armed, seen := false, 0
	rest := make(chan error, 1)
	goOn := make(chan struct{})
	files := vfstest.Faulty(afero.NewOsFs(), func(vfstest.Op) error {
		if !armed || r.reached || !writes(r.reg) { // before that it may rightly come in anew
			return nil
		}
		if seen++; seen == r.holder {
			r.reached = true
			r.overtake(rest, goOn)
		}
		return nil
	})
	holder := process(files, r.reg, time.Minute, func(l locking.Locker) locking.Locker { return frozen{l, r.stale} })
	defer sqlitevfs.Unregister(holder)
	conn, err := r.connect(holder)
	if err != nil {
		return err
	}
	defer conn.Close()
	settings := "PRAGMA cache_size=3; PRAGMA cache_spill=3; PRAGMA wal_autocheckpoint=12;" + r.mode
	if r.variant == "recovery" {
		armed = true
		conn.Exec(settings)
	} else {
		if err := conn.Exec(settings + "; UPDATE account SET sum=sum"); err != nil {
			return fmt.Errorf("warm up: %w", vfs.Explain(conn, err))
		}
		armed = true
	}
	end := "COMMIT"
	if r.variant == "rollback" {
		end = "ROLLBACK"
	}
	first := r.transfer(conn, "stale", 1, end)
	for n := 2; n < 4 && r.reached; n++ { // it goes on as if nothing had happened
		if !conn.GetAutocommit() {
			conn.Exec("ROLLBACK")
		}
		r.transfer(conn, "stale", n, "COMMIT")
	}
	open, lost := r.reached, vfs.FileOf(conn, "main").Lost()
	conn.Close() // may be where it is stopped
	if !r.reached {
		return first
	}
	close(goOn)
	if err := <-rest; err != nil {
		return fmt.Errorf("the next one: %w", err)
	}
	if err := r.count(); err != nil {
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	if open && !errors.Is(lost, locking.ErrLost) {
		return fmt.Errorf("the stale holder's connection: %v, want %w", lost, locking.ErrLost)
	}
	return nil
}

// errDamaged is what must never be, whatever anybody was told.
var errDamaged = errors.New("damaged")

// prepare makes the database, and a hot journal or a WAL that was left behind.
func (r *round) prepare() error {
	maker := process(nil, r.reg, 5*time.Millisecond, whole)
	defer sqlitevfs.Unregister(maker)
	conn, err := r.connect(maker)
	if err != nil {
		return err
	}
	if err := conn.Exec(r.mode + ";" + staleSchema); err != nil {
		return vfs.Explain(conn, err)
	}
	if r.variant != "recovery" {
		return conn.Close()
	}
	// What a copy in mid-transaction finds is what a crash leaves.
	if err := conn.Exec("PRAGMA cache_size=3; PRAGMA cache_spill=3; BEGIN IMMEDIATE;" + fmt.Sprintf(staleTransfer, "crashed", 1)); err != nil {
		return vfs.Explain(conn, err)
	}
	left := make(map[string][]byte)
	for _, suffix := range []string{"", "-journal", "-wal"} {
		if content, err := os.ReadFile(r.path + suffix); err == nil {
			left[suffix] = content
		}
	}
	conn.Close()
	for suffix, content := range left {
		if err := os.WriteFile(r.path+suffix, content, 0o666); err != nil {
			return err
		}
	}
	return nil
}

// overtake is called while the holder stands still: another process takes over. It
// returns when that is done, or got to where it lets the holder go on.
func (r *round) overtake(rest chan<- error, goOn <-chan struct{}) {
	if err := evict(r.reg, "app.db"); err != nil {
		rest <- err
		return
	}
	there := make(chan struct{})
	var ops atomic.Int64
	files := vfstest.Faulty(small{afero.NewOsFs()}, func(vfstest.Op) error {
		if n := ops.Add(1); int(n) == r.next {
			close(there)
			select {
			case <-goOn:
			case <-time.After(10 * time.Second): // the other one may rightly wait for this one
			}
		}
		return nil
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		rest <- r.takeOver(files)
	}()
	select {
	case <-there:
	case <-done:
	}
}

func (r *round) takeOver(files afero.Fs) error {
	next := process(files, r.reg, 5*time.Millisecond, whole)
	defer sqlitevfs.Unregister(next)
	conn, err := r.connect(next)
	if err != nil {
		return err
	}
	defer conn.Close()
	for n := range 2 {
		conn.BusyTimeout(10 * time.Second)
		if err := conn.Exec("BEGIN IMMEDIATE;" + fmt.Sprintf(staleTransfer, "next", n) + "COMMIT"); err != nil {
			return vfs.Explain(conn, err)
		}
	}
	return nil
}

// count looks at what is there.
func (r *round) count() error {
	last := process(nil, r.reg, 5*time.Millisecond, whole)
	defer sqlitevfs.Unregister(last)
	conn, err := r.connect(last)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.BusyTimeout(10 * time.Second)
	r.acked["next0"], r.acked["next1"] = true, true
	sound, err := column(conn, "PRAGMA integrity_check")
	if err != nil || len(sound) != 1 || sound[0] != "ok" {
		return fmt.Errorf("%v %w", sound, vfs.Explain(conn, err))
	}
	rows, err := column(conn, "SELECT who||n FROM log")
	if err != nil {
		return err
	}
	there := make(map[string]bool)
	for _, row := range rows {
		if there[row] || !r.begun[row] && !r.acked[row] {
			return fmt.Errorf("row %s is there twice, or was rolled back", row)
		}
		there[row] = true
	}
	for row := range r.acked {
		if !there[row] {
			return fmt.Errorf("acknowledged row %s is lost: %v", row, rows)
		}
	}
	want := fmt.Sprintf("4000:%d", 20*len(rows))
	sums, err := column(conn, "SELECT (SELECT sum(sum) FROM account)||':'||(SELECT 20*(100-min(sum)) FROM account)")
	if err != nil {
		return err
	}
	if sums[0] != want {
		return fmt.Errorf("the bank says %v, want %s", sums, want)
	}
	return nil
}

func column(conn *sqlite3.Conn, sql string) (values []string, err error) {
	stmt, _, err := conn.Prepare(sql)
	if err != nil {
		return nil, err
	}
	defer stmt.Close()
	for stmt.Step() {
		values = append(values, stmt.ColumnText(0))
	}
	return values, stmt.Err()
}

// hot reports whether a journal that would be played back lies beside a database.
func hot(path string) bool {
	f, err := os.Open(path + "-journal")
	if err != nil {
		return false
	}
	defer f.Close()
	var header [28]byte
	n, _ := f.ReadAt(header[:], 0)
	return n == len(header) && !bytes.Equal(header[:], make([]byte, 28))
}

var _ sqlitevfs.VFSFilename = (*vfs.VFS)(nil)

// frosts are the ways to work that are tried.
var frosts = []frost{
	{"PRAGMA journal_mode=delete", "commit"},
	{"PRAGMA journal_mode=delete", "rollback"},
	{"PRAGMA journal_mode=delete", "recovery"},
	{"PRAGMA journal_mode=delete; PRAGMA synchronous=off", "commit"},
	{"PRAGMA journal_mode=delete; PRAGMA synchronous=off", "rollback"},
	{"PRAGMA journal_mode=truncate", "commit"},
	{"PRAGMA journal_mode=truncate; PRAGMA synchronous=normal", "rollback"},
	{"PRAGMA journal_mode=truncate; PRAGMA synchronous=off", "recovery"},
	{"PRAGMA journal_mode=persist", "commit"},
	{"PRAGMA journal_mode=persist; PRAGMA synchronous=normal", "commit"},
	{"PRAGMA journal_mode=persist; PRAGMA synchronous=off", "rollback"},
	{"PRAGMA locking_mode=exclusive; PRAGMA journal_mode=delete", "commit"},
	{"PRAGMA locking_mode=exclusive; PRAGMA journal_mode=persist; PRAGMA synchronous=off", "rollback"},
	{"PRAGMA journal_mode=wal", "commit"},
	{"PRAGMA journal_mode=wal; PRAGMA synchronous=full", "commit"},
	{"PRAGMA journal_mode=wal; PRAGMA synchronous=off", "commit"},
	{"PRAGMA journal_mode=wal", "rollback"},
	{"PRAGMA journal_mode=wal", "recovery"},
	{"PRAGMA locking_mode=exclusive; PRAGMA journal_mode=wal; PRAGMA synchronous=full", "commit"},
}
