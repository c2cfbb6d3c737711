package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/holdfastdb/holdfast"
	"github.com/holdfastdb/holdfast/internal/netlab/workload"
	"github.com/holdfastdb/holdfast/locking"
)

// A pool serves all connections that were opened alike. In each operation one of them
// takes a connection of database/sql and puts it back, as programs do: in WAL mode
// Holdfast closes one that is put back when another host asks for the database.
type pool struct {
	*sql.DB
	open workload.Open
	dsn  string
	key  string
	refs int // guarded by pools.mu
}

// pools are those of the process.
type pools struct {
	traps *traps

	mu   sync.Mutex
	open map[string]*pool // guarded by mu
}

// enter opens one more connection.
func (ps *pools) enter(ctx context.Context, o workload.Open) (*pool, error) {
	key, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	ps.mu.Lock()
	p := ps.open[string(key)]
	if p == nil {
		if p, err = ps.make(o); err != nil {
			ps.mu.Unlock()
			return nil, err
		}
		p.key = string(key)
		if ps.open == nil {
			ps.open = make(map[string]*pool)
		}
		ps.open[p.key] = p
	}
	p.refs++
	p.SetMaxOpenConns(p.refs)
	p.SetMaxIdleConns(p.refs)
	ps.mu.Unlock()
	if err := p.PingContext(ctx); err != nil {
		return nil, errors.Join(err, ps.leave(p))
	}
	return p, nil
}

// leave closes a connection, and with the last one the pool.
func (ps *pools) leave(p *pool) error {
	ps.mu.Lock()
	p.refs--
	last := p.refs == 0
	if last {
		delete(ps.open, p.key)
	} else {
		p.SetMaxIdleConns(p.refs)
		p.SetMaxOpenConns(p.refs)
	}
	ps.mu.Unlock()
	if !last {
		return nil
	}
	return p.Close()
}

// end closes all.
func (ps *pools) end() {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for _, p := range ps.open {
		if err := p.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "worker: close:", err)
		}
	}
	ps.open = nil
}

func (ps *pools) make(o workload.Open) (*pool, error) {
	p := &pool{open: o, dsn: o.DSN}
	if o.Driver != workload.Holdfast {
		d, err := findStock(o)
		if err != nil {
			return nil, err
		}
		if p.dsn == "" {
			p.dsn = d.dsn(o)
		}
		c, err := d.connect(p.dsn)
		if err == nil {
			p.DB = sql.OpenDB(c)
		}
		return p, err
	}
	options, err := ps.options(o)
	if err != nil {
		return nil, err
	}
	if p.dsn == "" {
		p.dsn = pragmaDSN(o)
	}
	p.DB, err = holdfast.Open(p.dsn, options)
	return p, err
}

// options returns how Holdfast is to be opened. Unless something is to be held or taken
// away, that is as everybody does it.
func (ps *pools) options(o workload.Open) (options holdfast.Options, err error) {
	options.TTL = o.TTL
	without, err := newGuards(o.Without)
	if err != nil {
		return options, err
	}
	if o.DSN == "" && !o.Params.Has("lock") {
		options.Lock = "leasefile"
	}
	if without.fence {
		options.Params = map[string][]string{"fence": {"off"}}
	}
	if !o.Traps && !without.wraps() {
		return options, nil
	}
	if options.Lock == "" || !filepath.IsAbs(o.Path) {
		return options, fmt.Errorf("%w: traps and guards need an absolute path, and no lock but the default one", errUsage)
	}
	met := ps.traps
	if !o.Traps {
		met = nil
	}
	files := newFiles(met, without, o.Path)
	options.FS = files.forData()
	options.Lock = registerLock(files, without)
	return options, nil
}

// conn takes a connection for one operation.
func (p *pool) conn(ctx context.Context) (*session, error) {
	c, err := p.Conn(ctx)
	if err != nil {
		return nil, err
	}
	return &session{c}, nil
}

// A session is a connection that is in use.
type session struct{ *sql.Conn }

// exec runs statements, one after the other.
func (s *session) exec(ctx context.Context, statements ...string) error {
	for _, text := range statements {
		if _, err := s.ExecContext(ctx, text); err != nil {
			return fmt.Errorf("%s: %w", firstWords(text), err)
		}
	}
	return nil
}

func firstWords(text string) string {
	if len(text) > 40 {
		text = text[:40] + "…"
	}
	return strings.Join(strings.Fields(text), " ")
}

// rollback ends a transaction. If even that fails, or there is none any more, nobody
// uses the connection again, lest it ends later in another way.
func (s *session) rollback() {
	if _, err := s.ExecContext(context.Background(), "ROLLBACK"); err != nil {
		s.Raw(func(any) error { return driver.ErrBadConn })
	}
}

// status tells who has the database. It is there for Holdfast alone.
func (p *pool) status(ctx context.Context) (*locking.Status, error) {
	if p.open.Driver != workload.Holdfast {
		return nil, fmt.Errorf("%w: the driver %s has no status", errUsage, p.open.Driver)
	}
	s, err := holdfast.Status(ctx, p.statusName())
	return &s, err
}

// statusName is a data source name for a look: by the path and the lock alone.
func (p *pool) statusName() string {
	if p.open.DSN != "" {
		return p.open.DSN
	}
	params := map[string][]string{"lock": {"leasefile"}}
	if p.open.Params.Has("lock") {
		params["lock"] = p.open.Params["lock"]
	}
	return fileURI(p.open.Path, params)
}
