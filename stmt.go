package holdfast

import (
	"context"
	"database/sql/driver"
	"io"
	"strings"
)

// A stmt is a prepared statement of a conn.
type stmt struct {
	innerStmt
	c *conn
}

// innerStmt is what go-sqlite3's statements implement.
type innerStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
	driver.NamedValueChecker
}

var _ innerStmt = (*stmt)(nil)

// Close may come while the connection lies in the pool.
func (s *stmt) Close() error {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return s.c.explain(context.Background(), s.innerStmt.Close())
}

func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	r, err := s.innerStmt.ExecContext(ctx, args)
	return r, s.c.ended(ctx, err)
}

func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	r, err := s.innerStmt.QueryContext(ctx, args)
	if err != nil {
		return nil, s.c.explain(ctx, err)
	}
	return &rows{innerRows: r.(innerRows), c: s.c, ctx: ctx}, nil
}

// An emptyStmt is what a query without any SQL in it is prepared to.
type emptyStmt struct{}

var (
	_ driver.StmtExecContext  = emptyStmt{}
	_ driver.StmtQueryContext = emptyStmt{}
)

func (emptyStmt) Close() error                               { return nil }
func (emptyStmt) NumInput() int                              { return 0 }
func (emptyStmt) Exec([]driver.Value) (driver.Result, error) { return driver.RowsAffected(0), nil }
func (emptyStmt) Query([]driver.Value) (driver.Rows, error)  { return emptyRows{}, nil }

func (emptyStmt) ExecContext(context.Context, []driver.NamedValue) (driver.Result, error) {
	return driver.RowsAffected(0), nil
}

func (emptyStmt) QueryContext(context.Context, []driver.NamedValue) (driver.Rows, error) {
	return emptyRows{}, nil
}

type emptyRows struct{}

func (emptyRows) Columns() []string         { return nil }
func (emptyRows) Close() error              { return nil }
func (emptyRows) Next([]driver.Value) error { return io.EOF }

// blank reports whether a query holds nothing but white space, comments and
// semicolons. It returns at the first byte of SQL, as a rule the first byte.
func blank(query string) bool {
	for query != "" {
		switch {
		case strings.IndexByte("; \t\n\v\f\r", query[0]) >= 0:
			query = query[1:]
		case strings.HasPrefix(query, "--"):
			_, query, _ = strings.Cut(query, "\n")
		case strings.HasPrefix(query, "/*"):
			// The end of the text ends a comment as well.
			_, query, _ = strings.Cut(query[2:], "*/")
		default:
			return query[0] == 0 // where SQLite stops reading
		}
	}
	return true
}
