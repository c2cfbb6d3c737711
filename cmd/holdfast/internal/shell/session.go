package shell

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ncruces/go-sqlite3"

	"github.com/holdfastdb/holdfast"
	"github.com/holdfastdb/holdfast/cmd/holdfast/internal/sqltext"
	"github.com/holdfastdb/holdfast/cmd/holdfast/internal/target"
	"github.com/holdfastdb/holdfast/locking"
	"github.com/holdfastdb/holdfast/vfs"
)

// busyTimeout is how long a statement waits for another process at first. A
// person can interrupt it sooner, and .timeout changes it.
const busyTimeout = 5 * time.Second

var errOpenTransaction = errors.New("the open transaction was rolled back: end it with COMMIT to keep what it did")

// A session is the shell's connection to a database.
//
// Between inputs the connection lies in a pool of one, so that a database in WAL
// mode, which a connection holds for as long as it is open, can be given up to
// another host that asks. While the connection has a state of its own, the session
// keeps it.
type session struct {
	target  target.Target
	pool    *sql.DB
	openErr error // why there is no pool

	conn    *sql.Conn     // nil: in the pool
	raw     *sqlite3.Conn // of conn
	keep    bool          // the connection has settings of its own
	timeout time.Duration // how long statements wait, unless
	named   bool          // the name of the database says how long
	grade   locking.Grade // "" if there is no lock
}

func openSession(t target.Target) *session {
	s := &session{target: t, timeout: busyTimeout, named: strings.Contains(t.DSN, "busy_timeout")}
	s.pool, s.openErr = holdfast.Open(t.DSN, holdfast.Options{Init: s.prepare})
	if s.openErr == nil {
		s.pool.SetMaxOpenConns(1)
	}
	return s
}

// prepare sets a new connection up.
func (s *session) prepare(conn *sqlite3.Conn) error {
	if s.named {
		return nil
	}
	return conn.BusyTimeout(s.timeout)
}

// acquire takes the connection out of the pool. What runs on it ends with ctx.
func (s *session) acquire(ctx context.Context) error {
	if s.openErr != nil {
		return s.openErr
	}
	if s.conn == nil {
		conn, err := s.pool.Conn(ctx)
		if errors.Is(err, context.Canceled) {
			err = sqlite3.INTERRUPT // as if the statement had begun
		}
		if err != nil {
			return err
		}
		err = conn.Raw(func(driverConn any) error {
			s.raw = driverConn.(interface{ Raw() *sqlite3.Conn }).Raw()
			return nil
		})
		if err != nil {
			return errors.Join(err, conn.Close())
		}
		s.conn = conn
		if f := vfs.FileOf(s.raw, "main"); f != nil {
			s.grade = f.Grade()
		}
	}
	s.raw.SetInterrupt(ctx)
	return nil
}

// settle puts the connection back into the pool, unless that would lose something.
func (s *session) settle() error {
	if s.conn == nil {
		return nil
	}
	s.raw.SetInterrupt(context.Background())
	if s.lost() == nil && (s.keep || s.inTransaction()) {
		return nil
	}
	conn := s.conn
	s.conn, s.raw, s.keep = nil, nil, false
	return conn.Close()
}

// lost returns an error if the connection lost its database for good.
func (s *session) lost() error {
	for f := range vfs.Files(s.raw) {
		if err := f.Lost(); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) inTransaction() bool { return s.conn != nil && !s.raw.GetAutocommit() }

// note is called before each statement. Some give the connection a state that
// another one would not have; it does not matter if others are taken for such.
func (s *session) note(sql string) {
	switch words := sqltext.FirstWords(sql, 1); {
	case slices.Contains(words, "ATTACH"),
		slices.Contains(words, "PRAGMA") && setsConnection(sql),
		slices.Contains(words, "CREATE") && strings.Contains(strings.ToUpper(sql), "TEMP"):
		s.keep = true
	}
}

// setting takes a PRAGMA apart: its name, and its value if it has one.
var setting = regexp.MustCompile(`(?is)^\s*PRAGMA\s+(?:\w+\s*\.\s*)?(\w+)\s*(?:([=(])\s*['"]?(\w*))?`)

// ofDatabase are those pragmas with a value that ask something or change the
// database itself.
var ofDatabase = strings.Fields(`application_id foreign_key_check foreign_key_list incremental_vacuum index_info
	index_list index_xinfo integrity_check optimize quick_check table_info table_list table_xinfo user_version wal_checkpoint`)

// setsConnection reports whether a PRAGMA may set something that only this
// connection knows.
func setsConnection(sql string) bool {
	parts := setting.FindStringSubmatch(sql)
	if parts == nil {
		return true
	}
	name, sets, value := strings.ToLower(parts[1]), parts[2] != "", strings.ToLower(parts[3])
	return sets && !slices.Contains(ofDatabase, name) && (name != "journal_mode" || value != "wal")
}

// held returns the level and epoch at which the connection holds the database.
func (s *session) held() (locking.Level, locking.Epoch) {
	if s.conn == nil {
		return locking.None, 0
	}
	f := vfs.FileOf(s.raw, "main")
	if f == nil {
		return locking.None, 0
	}
	return f.Level(), f.Epoch()
}

// setTimeout changes how long statements wait.
func (s *session) setTimeout(d time.Duration) error {
	s.timeout, s.named = d, false
	return s.raw.BusyTimeout(d)
}

// probe looks at the database once. What is no database is an error; that another
// process has it now is not.
func (s *session) probe(ctx context.Context) error {
	if err := s.acquire(ctx); err != nil {
		return ignoreHeld(err)
	}
	err := s.impatient(func() error { return s.exec(`PRAGMA schema_version`) })
	return ignoreHeld(errors.Join(err, s.settle()))
}

// impatient runs f without waiting for other processes.
func (s *session) impatient(f func() error) error {
	old, err := s.strings(`PRAGMA busy_timeout`)
	if err != nil {
		return err
	}
	if err := s.raw.BusyTimeout(0); err != nil {
		return err
	}
	return errors.Join(f(), s.exec(`PRAGMA busy_timeout=`+old[0]))
}

func ignoreHeld(err error) error {
	if errors.Is(err, sqlite3.BUSY) {
		return nil
	}
	return err
}

// exec runs one statement for its effect.
func (s *session) exec(sql string) error {
	return vfs.Explain(s.raw, s.raw.Exec(sql))
}

// query runs one of the shell's own queries and calls row for each row.
func (s *session) query(sql string, row func(*sqlite3.Stmt) error, args ...string) (err error) {
	defer func() { err = vfs.Explain(s.raw, err) }()
	stmt, _, err := s.raw.Prepare(sql)
	if err != nil {
		return err
	}
	defer stmt.Close() // its error is the one that Err told
	for i, arg := range args {
		if err := stmt.BindText(i+1, arg); err != nil {
			return err
		}
	}
	for stmt.Step() {
		if err := row(stmt); err != nil {
			return err
		}
	}
	return stmt.Err()
}

// strings returns the first column of one of the shell's own queries.
func (s *session) strings(sql string, args ...string) ([]string, error) {
	var all []string
	err := s.query(sql, func(stmt *sqlite3.Stmt) error {
		all = append(all, stmt.ColumnText(0))
		return nil
	}, args...)
	return all, err
}

// allOrNothing undoes what f did if it fails, inside a transaction or not.
func (s *session) allOrNothing(f func() error) error {
	undo := `ROLLBACK` // to release the savepoint could fail once more: it would commit
	if s.inTransaction() {
		undo = `ROLLBACK TO holdfast_shell; RELEASE holdfast_shell`
	}
	if err := s.exec(`SAVEPOINT holdfast_shell`); err != nil {
		return err
	}
	err := vfs.Explain(s.raw, f())
	if err == nil {
		err = s.exec(`RELEASE holdfast_shell`) // which may commit
	}
	if err == nil || !s.inTransaction() {
		return err
	}
	s.raw.SetInterrupt(context.Background())
	return errors.Join(err, s.exec(undo))
}

// roundOff rolls an open transaction back, which is an error.
func (s *session) roundOff() error {
	if !s.inTransaction() {
		return nil
	}
	s.raw.SetInterrupt(context.Background())
	if err := s.exec(`ROLLBACK`); err != nil {
		return fmt.Errorf("roll back the open transaction: %w", err)
	}
	return errOpenTransaction
}

// close closes the connection and gives up the lock.
func (s *session) close() error {
	if s.pool == nil {
		return nil
	}
	var err error
	if s.conn != nil {
		s.raw.SetInterrupt(context.Background())
		err = s.conn.Close()
		s.conn, s.raw = nil, nil
	}
	return errors.Join(err, s.pool.Close())
}
