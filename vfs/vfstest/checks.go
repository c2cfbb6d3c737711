package vfstest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"
)

// A Subject is a VFS under test, with an empty directory of its own.
type Subject struct {
	// Open opens one more connection to a database in that directory, which is
	// created if it is not there. The process says which process does: those of
	// different processes share nothing but the files and the locks. A VFS that can
	// be told apart by connections alone may ignore it.
	Open func(process int, file string) (*sqlite3.Conn, error)
	// URI names a file of the directory for ATTACH, VACUUM INTO and backups by process 0.
	URI func(file string) string
	// Single says that a transaction that writes several databases is refused.
	Single bool
}

// A Check tests one promise and says how it was broken.
type Check struct {
	Name string
	Run  func(ctx context.Context, s Subject) error
}

// Run runs every check as a subtest.
func Run(t *testing.T, newSubject func(testing.TB) Subject) {
	for _, c := range Checks {
		t.Run(c.Name, func(t *testing.T) {
			if err := c.Run(t.Context(), newSubject(t)); err != nil {
				t.Error(err)
			}
		})
	}
}

// Checks are the promises of a VFS, in the journal mode DELETE.
var Checks = []Check{
	{"writers take turns", writersTakeTurns},
	{"readers read beside a reservation", readersBesideReservation},
	{"a writer waits for readers", writerWaitsForReaders},
	{"a reader waits for a writer", readerWaitsForWriter},
	{"commits are seen", commitsAreSeen},
	{"what is rolled back is gone", rollbackIsGone},
	{"who leaves frees what it held", leavingFrees},
	{"a dead writer's journal is played back", deadWriterIsUndone},
	{"databases commit together", databasesCommitTogether},
	{"vacuum and copies keep everything", copiesKeepEverything},
	{"a cancelled wait ends", cancelledWaitEnds},
}

// A session is a few connections that are closed together.
type session struct {
	Subject
	conns []*sqlite3.Conn
}

func (s *session) close() {
	for _, c := range s.conns {
		c.Close()
	}
}

// open opens a connection and runs SQL on it.
func (s *session) open(process int, file, sql string) (*sqlite3.Conn, error) {
	conn, err := s.Subject.Open(process, file)
	if err != nil {
		return nil, err
	}
	s.conns = append(s.conns, conn)
	if err := conn.Exec(sql); err != nil {
		return nil, fmt.Errorf("%s: %w", sql, err)
	}
	return conn, nil
}

// two opens the same database by two processes, with one table.
func two(s Subject) (ss *session, a, b *sqlite3.Conn, err error) {
	ss = &session{Subject: s}
	if a, err = ss.open(0, "app.db", "CREATE TABLE t(x)"); err == nil {
		b, err = ss.open(1, "app.db", "")
	}
	if err != nil {
		ss.close()
	}
	return ss, a, b, err
}

// A step is SQL on a connection and what must come of it.
type step struct {
	conn *sqlite3.Conn
	sql  string
	want any // nil: success; an error: that one; a string: the first value
}

func steps(all ...step) error {
	for _, s := range all {
		want, failure := s.want.(error)
		patience := 10 * time.Second // processes may have to make way
		if failure {
			patience = 0
		}
		if err := s.conn.BusyTimeout(patience); err != nil {
			return err
		}
		if text, ok := s.want.(string); ok {
			got := ""
			if err := rows(s.conn, s.sql, func(stmt *sqlite3.Stmt) { got += stmt.ColumnText(0) }); err != nil {
				return fmt.Errorf("%s: %w", s.sql, err)
			}
			if got != text {
				return fmt.Errorf("%s is %q, want %q", s.sql, got, text)
			}
			continue
		}
		if err := s.conn.Exec(s.sql); !errors.Is(err, want) {
			return fmt.Errorf("%s = %v, want %v", s.sql, err, want)
		}
	}
	return nil
}

func writersTakeTurns(_ context.Context, s Subject) error {
	ss, a, b, err := two(s)
	if err != nil {
		return err
	}
	defer ss.close()
	return steps(
		step{a, "BEGIN IMMEDIATE; INSERT INTO t VALUES (1)", nil},
		step{b, "BEGIN IMMEDIATE", sqlite3.BUSY},
		step{b, "INSERT INTO t VALUES (2)", sqlite3.BUSY},
		step{a, "COMMIT", nil},
		step{b, "BEGIN IMMEDIATE; INSERT INTO t VALUES (2)", nil},
		step{a, "INSERT INTO t VALUES (3)", sqlite3.BUSY},
		step{b, "COMMIT", nil},
		step{a, "INSERT INTO t VALUES (3)", nil},
		step{b, "SELECT x FROM t", "123"},
	)
}

func readersBesideReservation(_ context.Context, s Subject) error {
	ss, a, b, err := two(s)
	if err != nil {
		return err
	}
	defer ss.close()
	return steps(
		step{a, "BEGIN IMMEDIATE; INSERT INTO t VALUES (1)", nil},
		step{b, "SELECT count(*) FROM t", "0"},
		step{b, "BEGIN; SELECT * FROM t", nil},
		step{a, "ROLLBACK", nil},
		step{b, "COMMIT", nil},
	)
}

func writerWaitsForReaders(_ context.Context, s Subject) error {
	ss, a, b, err := two(s)
	if err != nil {
		return err
	}
	defer ss.close()
	return steps(
		step{b, "BEGIN; SELECT * FROM t", nil},
		step{a, "BEGIN; INSERT INTO t VALUES (1)", nil},
		step{a, "COMMIT", sqlite3.BUSY},
		step{b, "SELECT count(*) FROM t", "0"},
		step{b, "COMMIT", nil},
		step{a, "COMMIT", nil},
		step{b, "SELECT count(*) FROM t", "1"},
	)
}

func readerWaitsForWriter(_ context.Context, s Subject) error {
	ss, a, b, err := two(s)
	if err != nil {
		return err
	}
	defer ss.close()
	return steps(
		step{a, "BEGIN EXCLUSIVE; INSERT INTO t VALUES (1)", nil},
		step{b, "SELECT * FROM t", sqlite3.BUSY},
		step{a, "COMMIT", nil},
		step{b, "SELECT x FROM t", "1"},
	)
}

func commitsAreSeen(_ context.Context, s Subject) error {
	ss, a, b, err := two(s)
	if err != nil {
		return err
	}
	defer ss.close()
	for n := range 3 {
		all := fmt.Sprint(4 * (n + 1))
		if err := steps(
			step{a, "INSERT INTO t VALUES (1)", nil},
			step{b, "INSERT INTO t SELECT max(x)+1 FROM t", nil},
			step{a, fmt.Sprintf("CREATE TABLE u%d(x); INSERT INTO t VALUES (3)", n), nil},
			step{b, fmt.Sprintf("INSERT INTO u%d VALUES (1); INSERT INTO t VALUES (4)", n), nil},
			step{a, "SELECT count(*) FROM t", all},
			step{b, "SELECT count(*) FROM t", all},
			step{b, "PRAGMA integrity_check", "ok"},
		); err != nil {
			return err
		}
	}
	return nil
}

const manyRows = `WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c WHERE n<500) INSERT INTO t SELECT hex(zeroblob(100)) FROM c;`

func rollbackIsGone(_ context.Context, s Subject) error {
	ss, a, b, err := two(s)
	if err != nil {
		return err
	}
	defer ss.close()
	return steps(
		step{a, manyRows + "PRAGMA cache_size=5; PRAGMA cache_spill=5; BEGIN; DELETE FROM t; SAVEPOINT s; " + manyRows + "ROLLBACK TO s", nil},
		step{a, "SELECT count(*) FROM t", "0"},
		step{a, "ROLLBACK", nil},
		step{a, "SELECT count(*) FROM t", "500"},
		step{b, "SELECT count(*) FROM t", "500"},
		step{b, "PRAGMA integrity_check", "ok"},
	)
}

func leavingFrees(_ context.Context, s Subject) error {
	ss, a, b, err := two(s)
	if err != nil {
		return err
	}
	defer ss.close()
	if err := steps(step{a, "BEGIN EXCLUSIVE; INSERT INTO t VALUES (1)", nil}); err != nil {
		return err
	}
	if err := a.Close(); err != nil {
		return err
	}
	return steps(step{b, "INSERT INTO t VALUES (2)", nil}, step{b, "SELECT x FROM t", "2"})
}

func deadWriterIsUndone(_ context.Context, s Subject) error {
	ss, a, b, err := two(s)
	if err != nil {
		return err
	}
	defer ss.close()
	if err := steps(
		step{a, manyRows + "PRAGMA cache_size=5; PRAGMA cache_spill=5; SELECT * FROM t", nil},
		step{a, "BEGIN EXCLUSIVE; UPDATE t SET x='half done'; DELETE FROM t WHERE rowid%2", nil},
	); err != nil {
		return err
	}
	// From here on the connection does nothing more to the file, and frees its locks.
	if _, err := a.FileControl("main", sqlite3.FCNTL_NULL_IO); err != nil {
		return err
	}
	a.Close()
	return steps(
		step{b, "SELECT count(*) FROM t WHERE x='half done'", "0"},
		step{b, "SELECT count(*) FROM t", "500"},
		step{b, "PRAGMA integrity_check", "ok"},
	)
}

func databasesCommitTogether(_ context.Context, s Subject) error {
	ss, a, b, err := two(s)
	if err != nil {
		return err
	}
	defer ss.close()
	other, err := ss.open(1, "other.db", "CREATE TABLE o(x)")
	if err != nil {
		return err
	}
	if s.Single {
		return steps(
			step{a, "ATTACH '" + s.URI("other.db") + "' AS other", nil},
			step{a, "BEGIN; INSERT INTO t VALUES (1); INSERT INTO o VALUES (1); COMMIT", sqlite3.ERROR},
			step{b, "SELECT count(*) FROM t", "0"},
			step{other, "SELECT count(*) FROM o", "0"},
			step{a, "INSERT INTO t VALUES (1)", nil},
			step{a, "INSERT INTO o VALUES (1)", nil},
			step{other, "SELECT x FROM o", "1"},
			step{b, "SELECT x FROM t", "1"},
		)
	}
	return steps(
		step{a, "ATTACH '" + s.URI("other.db") + "' AS other", nil},
		step{a, "BEGIN; INSERT INTO t VALUES (1); INSERT INTO o VALUES (1); COMMIT", nil},
		step{a, "BEGIN; INSERT INTO t VALUES (2); INSERT INTO o VALUES (2); ROLLBACK", nil},
		step{b, "SELECT x FROM t", "1"},
		step{other, "SELECT x FROM o", "1"},
		step{other, "BEGIN IMMEDIATE", nil},
		step{a, "BEGIN; INSERT INTO t VALUES (3)", nil},
		step{a, "INSERT INTO o VALUES (3)", sqlite3.BUSY},
		step{a, "ROLLBACK", nil},
		step{other, "ROLLBACK", nil},
		step{b, "SELECT x FROM t", "1"},
	)
}

func copiesKeepEverything(_ context.Context, s Subject) error {
	ss, a, b, err := two(s)
	if err != nil {
		return err
	}
	defer ss.close()
	if err := steps(
		step{a, manyRows + "DELETE FROM t WHERE rowid%3=0; VACUUM; VACUUM INTO '" + s.URI("into.db") + "'", nil},
		step{b, "SELECT count(*) FROM t", "334"},
		step{b, "PRAGMA integrity_check", "ok"},
	); err != nil {
		return err
	}
	if err := a.Backup("main", s.URI("backup.db")); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	for _, file := range []string{"into.db", "backup.db"} {
		copied, err := ss.open(1, file, "")
		if err != nil {
			return err
		}
		if err := steps(step{copied, "SELECT count(*) FROM t", "334"}, step{copied, "PRAGMA integrity_check", "ok"}); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return nil
}

func cancelledWaitEnds(ctx context.Context, s Subject) error {
	ss, a, b, err := two(s)
	if err != nil {
		return err
	}
	defer ss.close()
	if err := steps(step{a, "BEGIN EXCLUSIVE", nil}, step{b, "PRAGMA busy_timeout=60000", nil}); err != nil {
		return err
	}
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	b.SetInterrupt(short)
	start := time.Now()
	err = b.Exec("SELECT * FROM t")
	b.SetInterrupt(ctx)
	if err == nil || time.Since(start) > 10*time.Second {
		return fmt.Errorf("a read beside EXCLUSIVE ended after %v: %v", time.Since(start), err)
	}
	return steps(step{a, "COMMIT", nil}, step{b, "SELECT count(*) FROM t", "0"})
}
