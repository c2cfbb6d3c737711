//go:build linux

package chaos

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfastdb/holdfast"
)

// A request is what a test has an agent do.
type request struct {
	Do    string // open, exec, query, begin, commit, rollback or close
	SQL   string // or the data source name
	Args  []any
	Limit time.Duration // of the context; 0: none
}

// A reply is what came of it.
type reply struct {
	Rows         [][]string
	Err          string
	Held, Lost   bool
	Late         bool  // the context's deadline
	Began, Ended int64 // by monotonic
}

func (r reply) took() time.Duration { return time.Duration(r.Ended - r.Began) }

// agent does what it is asked to. On SIGTERM it shuts down as a server does, and
// says what came of it.
func agent() error {
	a := &agency{}
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	go func() {
		<-term
		say(a.shutDown())
		os.Exit(0)
	}()
	return listen(func(q request) { say(a.do(q)) })
}

type agency struct {
	db *sql.DB
	tx *sql.Tx
}

func (a *agency) do(q request) (r reply) {
	ctx := context.Background()
	r.Began = monotonic() // before its time begins, of which it is to use all
	if q.Limit > 0 {
		limited, cancel := context.WithTimeout(ctx, q.Limit)
		defer cancel()
		ctx = limited
	}
	err := a.act(ctx, q, &r)
	r.tell(err)
	return r
}

func (r *reply) tell(err error) {
	r.Ended = monotonic()
	if err == nil {
		return
	}
	r.Err = err.Error()
	r.Held, r.Lost = errors.Is(err, holdfast.ErrHeld), errors.Is(err, holdfast.ErrLost)
	r.Late = errors.Is(err, context.DeadlineExceeded)
}

func (a *agency) act(ctx context.Context, q request, r *reply) (err error) {
	switch q.Do {
	case "open":
		if a.db, err = sql.Open("holdfast", q.SQL); err == nil {
			err = a.db.PingContext(ctx)
		}
	case "begin":
		a.tx, err = a.db.BeginTx(context.Background(), nil) // which is not to end with this request
	case "commit":
		err, a.tx = a.tx.Commit(), nil
	case "rollback":
		err, a.tx = a.tx.Rollback(), nil
	case "exec":
		_, err = a.session().ExecContext(ctx, q.SQL, q.Args...)
	case "query":
		r.Rows, err = rows(a.session().QueryContext(ctx, q.SQL, q.Args...))
	case "close":
		err = a.db.Close()
	default:
		err = fmt.Errorf("an agent cannot %q", q.Do)
	}
	return err
}

type session interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
}

func (a *agency) session() session {
	if a.tx != nil {
		return a.tx
	}
	return a.db
}

func (a *agency) shutDown() (r reply) {
	r.Began = monotonic()
	var err error
	if a.tx != nil {
		err = a.tx.Rollback()
	}
	r.tell(errors.Join(err, a.db.Close()))
	return r
}

// rows reads everything as text.
func rows(rs *sql.Rows, err error) (all [][]string, _ error) {
	if err != nil {
		return nil, err
	}
	defer rs.Close()
	names, err := rs.Columns()
	if err != nil {
		return nil, err
	}
	for rs.Next() {
		row := make([]sql.NullString, len(names))
		into := make([]any, len(names))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rs.Scan(into...); err != nil {
			return nil, err
		}
		text := make([]string, len(names))
		for i := range row {
			text[i] = row[i].String
		}
		all = append(all, text)
	}
	return all, rs.Err()
}

// A helper is an agent as its test sees it.
type helper struct{ *process }

// patience is how long a test waits for an answer before it calls that a hang.
const patience = 90 * time.Second

// startAgent starts an agent that has a database open.
func startAgent(t testing.TB, dsn string, wraps ...wrap) *helper {
	t.Helper()
	a := &helper{start(t, "agent", nil, wraps...)}
	if r := a.do(request{Do: "open", SQL: dsn}); r.Err != "" {
		t.Fatalf("open %s: %s", dsn, r.Err)
	}
	return a
}

// ask sends a request. Its answer is the next one.
func (a *helper) ask(q request) {
	a.t.Helper()
	if err := a.tell(q); err != nil {
		a.t.Fatalf("%s: %v\n%s", a, err, a.stderr)
	}
}

func (a *helper) answer() (r reply) {
	a.t.Helper()
	if !a.hear(&r, patience) {
		a.t.Fatalf("%s ended\n%s", a, a.stderr)
	}
	return r
}

func (a *helper) do(q request) reply {
	a.t.Helper()
	a.ask(q)
	return a.answer()
}

// must does something that has to succeed.
func (a *helper) must(do, sql string, args ...any) reply {
	a.t.Helper()
	r := a.do(request{Do: do, SQL: sql, Args: args})
	if r.Err != "" {
		a.t.Fatalf("%s: %s %s: %s", a, do, sql, r.Err)
	}
	return r
}

func (a *helper) exec(sql string, args ...any) { a.t.Helper(); a.must("exec", sql, args...) }

// value returns the first column of a result, one line for each row.
func (a *helper) value(sql string, args ...any) string {
	a.t.Helper()
	var lines []string
	for _, row := range a.must("query", sql, args...).Rows {
		lines = append(lines, row[0])
	}
	return strings.Join(lines, "\n")
}
