package shell

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/ncruces/go-sqlite3"

	"github.com/holdfastdb/holdfast"
)

// connected is a session on a database that has a table t.
func connected(t *testing.T, dsn string) *session {
	t.Helper()
	s := openSession(named(t, dsn))
	t.Cleanup(func() { s.close() })
	if err := s.acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.exec(`CREATE TABLE t(a)`); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestAllOrNothing: if it is not all, it is nothing, and no transaction stays open but
// the user's own.
func TestAllOrNothing(t *testing.T) {
	for _, within := range []bool{false, true} {
		for _, test := range []struct {
			name string
			f    func(t *testing.T, s *session, cancel func()) error // after one row
			want error
		}{
			{"failed", func(*testing.T, *session, func()) error { return errPipe }, errPipe},
			{"interrupted at the end", func(_ *testing.T, _ *session, cancel func()) error { cancel(); return nil }, sqlite3.INTERRUPT},
			{"rolled back by SQLite", func(_ *testing.T, s *session, _ func()) error {
				return s.exec(`INSERT OR ROLLBACK INTO u VALUES(1),(1)`)
			}, sqlite3.CONSTRAINT},
			{"a reader is in the way", func(t *testing.T, s *session, _ func()) error { reads(t, s.target.DSN); return nil }, sqlite3.BUSY},
		} {
			if within && errors.Is(test.want, sqlite3.BUSY) {
				continue // nothing is committed there
			}
			t.Run(test.name, func(t *testing.T) {
				s := connected(t, database(t).DSN)
				if err := errors.Join(s.exec(`CREATE TABLE u(a UNIQUE)`), s.setTimeout(10*time.Millisecond)); err != nil {
					t.Fatal(err)
				}
				if within {
					if err := s.exec(`BEGIN; INSERT INTO t VALUES('own')`); err != nil {
						t.Fatal(err)
					}
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if err := s.acquire(ctx); err != nil {
					t.Fatal(err)
				}
				err := s.allOrNothing(func() error {
					return errors.Join(s.exec(`INSERT INTO t VALUES('all')`), test.f(t, s, cancel))
				})
				if !errors.Is(err, test.want) {
					t.Errorf("it returned %v, want %v", err, test.want)
				}
				var want []string
				if within && !errors.Is(test.want, sqlite3.CONSTRAINT) {
					want = []string{"own"}
				}
				if s.inTransaction() != (want != nil) {
					t.Errorf("a transaction is open: %v", s.inTransaction())
				}
				got, err := s.strings(`SELECT a FROM t`)
				if diff := cmp.Diff(want, got); diff != "" || err != nil {
					t.Errorf("rows (%v) (-want +got):\n%s", err, diff)
				}
			})
		}
	}
}

// reads has another connection read a database until stop is called or the test ends.
func reads(t *testing.T, dsn string) (stop func() error) {
	t.Helper()
	pool, err := holdfast.Open(dsn, holdfast.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pool.Close() })
	tx, err := pool.Begin()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tx.Rollback() })
	if err := tx.QueryRow(`SELECT count(*) FROM t`).Scan(new(int)); err != nil {
		t.Fatal(err)
	}
	return tx.Rollback
}

// TestTimeoutIsNotKept: a connection that waits otherwise than at first can be given
// up, since the next one waits the same way, whatever the name of the database says.
func TestTimeoutIsNotKept(t *testing.T) {
	for _, parameter := range []string{"", "&_pragma=busy_timeout(7)"} {
		s := connected(t, database(t).DSN+parameter)
		if err := errors.Join(s.setTimeout(12*time.Millisecond), s.settle()); err != nil {
			t.Fatal(err)
		}
		if s.conn != nil {
			t.Error("the connection is kept")
		}
		s.pool.SetMaxIdleConns(-1) // as if it had yielded
		if err := s.acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		got, err := s.strings(`PRAGMA busy_timeout`)
		if diff := cmp.Diff([]string{"12"}, got); diff != "" || err != nil {
			t.Errorf("busy_timeout of the next connection (%v) (-want +got):\n%s", err, diff)
		}
	}
}
