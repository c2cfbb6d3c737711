//go:build linux

package chaos

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ncruces/go-sqlite3"

	"github.com/holdfastdb/holdfast"
)

// stormSettings are what a process of the storm is started with.
type stormSettings struct {
	Number   int64    // of the process, from 1
	DSNs     []string // one for each client
	ReadOnly bool
	Seed     uint64
	Limit    time.Duration // of the context of each operation
}

// An event is what a process of the storm says.
type event struct {
	Call    *operation `json:",omitempty"` // begins
	Return  *operation `json:",omitempty"` // ended; its ID, Outcome, Saw, Return and Err count
	Close   *reply     `json:",omitempty"` // of a database
	At      int        `json:",omitempty"` // it halted, as it was told to by the order of that number
	Trouble string     `json:",omitempty"` // a promise was broken
}

// An order is what a process of the storm is told.
type order struct {
	Halt   string // where to halt: atRest, inRead or inWrite
	Number int    // of the order; one with the number alone ends halts up to it
	Stop   bool   // end in good order, and so says each Close
}

// stormWorker does random things to the database until it is told to stop.
func stormWorker() error {
	var s stormSettings
	if err := settings(&s); err != nil {
		return err
	}
	g := newGate()
	var stopping atomic.Bool
	var clients sync.WaitGroup
	for i, dsn := range s.DSNs {
		c := &client{
			stormSettings: s, dsn: dsn, gate: g, id: s.Number<<32 | int64(i)<<24,
			rng: rand.New(rand.NewPCG(s.Seed, uint64(i))),
		}
		clients.Go(func() { c.run(&stopping) })
	}
	return listen(func(o order) {
		g.order(o)
		if o.Stop {
			stopping.Store(true)
			clients.Wait()
		}
	})
}

// Where a process can halt.
const (
	atRest  = "at rest"
	inRead  = "in a read transaction"
	inWrite = "in a write transaction"
)

// A gate halts a process at a place where it is in the middle of nothing.
type gate struct {
	mu     sync.Mutex
	opened *sync.Cond
	where  string // guarded by mu; the order that was not obeyed yet
	number int    // guarded by mu; its number
	open   int    // guarded by mu; number up to which halts have ended
}

func newGate() *gate {
	g := &gate{}
	g.opened = sync.NewCond(&g.mu)
	return g
}

func (g *gate) order(o order) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.where = o.Halt; o.Halt != "" {
		g.number = o.Number
		return
	}
	g.open = max(g.open, o.Number)
	g.opened.Broadcast()
}

// pass halts here if it is told to.
func (g *gate) pass(where string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.where != where {
		return
	}
	g.where = ""
	number := g.number
	say(event{At: number})
	for g.open < number {
		g.opened.Wait()
	}
}

// A client does one thing after the other, on a pool with one connection.
type client struct {
	stormSettings
	dsn  string
	gate *gate
	id   int64 // of the last operation
	rng  *rand.Rand
	db   *sql.DB
}

// The database of the storm.
const (
	accounts = 12
	balance  = 100 // of each account at first
	keys     = 6   // registers
	sheets   = 30  // rows of about a page each, always written together
	sheetKey = keys
)

var stormSchema = []string{
	`CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL)`,
	`CREATE TABLE ledger (id INTEGER, what TEXT)`,
	`CREATE INDEX ledger_id ON ledger (id)`,
	`CREATE TABLE register (k INTEGER PRIMARY KEY, v INTEGER NOT NULL)`,
	`CREATE TABLE sheet (n INTEGER PRIMARY KEY, v INTEGER NOT NULL, b BLOB)`,
}

func (c *client) run(stopping *atomic.Bool) {
	c.open()
	for !stopping.Load() {
		c.gate.pass(atRest)
		c.turn()
		if c.rng.IntN(10) == 0 {
			time.Sleep(between(c.rng, 0, 10*time.Millisecond))
		}
	}
	c.close()
}

func (c *client) open() {
	db, err := sql.Open("holdfast", c.dsn)
	if err != nil {
		say(event{Trouble: err.Error()})
		return
	}
	db.SetMaxOpenConns(1)
	c.db = db
}

func (c *client) close() {
	r := reply{Began: monotonic()}
	r.tell(c.db.Close())
	say(event{Close: &r})
}

// turn does one random thing.
func (c *client) turn() {
	n := c.rng.IntN(100)
	key := c.rng.IntN(keys)
	switch {
	case n < 1:
		c.close()
		c.open()
	case c.ReadOnly && n < 70, n < 25:
		c.do(kindRead, key, func(ctx context.Context, o *operation) error {
			return c.db.QueryRowContext(ctx, `SELECT v FROM register WHERE k = ?`, key).Scan(&o.Saw)
		})
	case c.ReadOnly && n < 85, n < 32:
		c.do("total", 0, c.total)
	case c.ReadOnly, n < 38:
		c.do(kindRead, sheetKey, c.readSheets)
	case n < 55:
		c.do(kindWrite, key, func(ctx context.Context, o *operation) error {
			return one(c.db.ExecContext(ctx, `UPDATE register SET v = ? WHERE k = ?`, o.ID, key))
		})
	case n < 75:
		c.do(kindSwap, key, c.swap)
	case n < 88:
		c.do("entry", 0, c.transfer)
	case n < 95:
		c.do("entry", 0, func(ctx context.Context, o *operation) error {
			return one(c.db.ExecContext(ctx, `INSERT INTO ledger VALUES (?, 'entry')`, o.ID))
		})
	default:
		c.do(kindSwap, sheetKey, c.writeSheets)
	}
}

// do says that it begins, does it, and says what came of it.
func (c *client) do(kind string, key int, act func(context.Context, *operation) error) {
	c.id++
	o := &operation{ID: c.id, Kind: kind, Key: key, Saw: nothing}
	ctx, cancel := context.WithTimeout(context.Background(), c.Limit)
	defer cancel()
	o.Call = monotonic()
	say(event{Call: o})
	err := act(ctx, o)
	o.Return = monotonic()
	o.Outcome = outcomeOf(err)
	if err != nil {
		o.Err = err.Error()
	}
	say(event{Return: o})
}

// undone is an error before the commit: nothing happened.
type undone struct{ error }

func (e undone) Unwrap() error { return e.error }

// outcomeOf says what an error means. SQLite is BUSY before it begins to commit.
func outcomeOf(err error) string {
	switch {
	case err == nil:
		return outcomeOK
	case errors.As(err, new(undone)), errors.Is(err, holdfast.ErrHeld), errors.Is(err, sqlite3.BUSY):
		return outcomeFailed
	}
	return outcomeUnknown
}

// one makes sure that a statement changed one row.
func one(r sql.Result, err error) error {
	if err != nil {
		return err
	}
	if n, _ := r.RowsAffected(); n != 1 {
		say(event{Trouble: "a row is missing"})
	}
	return nil
}

// transact runs a write transaction.
func (c *client) transact(ctx context.Context, body func(*sql.Tx) error) error {
	tx, err := c.db.BeginTx(ctx, nil)
	if err != nil {
		return undone{err}
	}
	if err := body(tx); err != nil {
		tx.Rollback()
		return undone{err}
	}
	c.gate.pass(inWrite)
	return tx.Commit()
}

func (c *client) swap(ctx context.Context, o *operation) error {
	return c.transact(ctx, func(tx *sql.Tx) error {
		if err := tx.QueryRowContext(ctx, `SELECT v FROM register WHERE k = ?`, o.Key).Scan(&o.Saw); err != nil {
			return err
		}
		return one(tx.ExecContext(ctx, `UPDATE register SET v = ? WHERE k = ?`, o.ID, o.Key))
	})
}

// transfer moves money, by balances that were read before, and books it.
func (c *client) transfer(ctx context.Context, o *operation) error {
	from, to, amount := c.rng.IntN(accounts), c.rng.IntN(accounts), c.rng.IntN(balance)
	return c.transact(ctx, func(tx *sql.Tx) error {
		for _, move := range []struct{ account, amount int }{{from, -amount}, {to, amount}} {
			var b int
			if err := tx.QueryRowContext(ctx, `SELECT balance FROM account WHERE id = ?`, move.account).Scan(&b); err != nil {
				return err
			}
			if err := one(tx.ExecContext(ctx, `UPDATE account SET balance = ? WHERE id = ?`, b+move.amount, move.account)); err != nil {
				return err
			}
		}
		return one(tx.ExecContext(ctx, `INSERT INTO ledger VALUES (?, 'transfer')`, o.ID))
	})
}

// total reads account by account in one transaction.
func (c *client) total(ctx context.Context, o *operation) error {
	tx, err := c.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	sum := 0
	for id := range accounts {
		var b int
		if err := tx.QueryRowContext(ctx, `SELECT balance FROM account WHERE id = ?`, id).Scan(&b); err != nil {
			return err
		}
		sum += b
		if id == accounts/2 {
			c.gate.pass(inRead)
		}
	}
	if sum != accounts*balance {
		say(event{Trouble: "the total is wrong"})
	}
	return nil
}

// writeSheets writes more than its cache holds, so that the file is changed long
// before the commit.
func (c *client) writeSheets(ctx context.Context, o *operation) error {
	return c.transact(ctx, func(tx *sql.Tx) error {
		if err := sheetsOf(tx.QueryRowContext(ctx, sheetsQuery), o); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE sheet SET v = ?, b = randomblob(3000)`, o.ID)
		return err
	})
}

func (c *client) readSheets(ctx context.Context, o *operation) error {
	return sheetsOf(c.db.QueryRowContext(ctx, sheetsQuery), o)
}

// sheetsQuery goes through the rows themselves.
const sheetsQuery = `SELECT count(*), count(DISTINCT v), max(v), sum(length(b)) FROM sheet`

func sheetsOf(row *sql.Row, o *operation) error {
	var n, versions, length int
	var v int64
	if err := row.Scan(&n, &versions, &v, &length); err != nil {
		return err
	}
	if n != sheets || versions != 1 || length != n*3000 {
		say(event{Trouble: "half of a transaction is there"})
	}
	o.Saw = v
	return nil
}
