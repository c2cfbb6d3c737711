package demo

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/ncruces/go-sqlite3"

	"github.com/holdfastdb/holdfast"
	"github.com/holdfastdb/holdfast/backends/leasefile"
	"github.com/holdfastdb/holdfast/locking"
	"github.com/holdfastdb/holdfast/vfs"
)

// think is how long a writer rests after each transaction.
const think = 5 * time.Millisecond

// A writer is one of the processes that write.
type writer struct {
	name     string
	db       *sql.DB
	events   *json.Encoder
	commands <-chan command // closed when the director is gone
	stood    bool           // stood still in the present transaction
	clock    *stoppedClock  // nil: it is the kernel's
}

// A Role is what one writer is.
type Role struct {
	DSN  string // of the database
	Name string // of the writer
	Lock string // if not "", instead of the one in DSN: a lease file, by a clock that does not notice when the process stands still
}

// Write is what the hidden command does: it writes rows under a name until it is
// told to stop, or the director that reads its events is gone.
func Write(ctx context.Context, role Role, in io.Reader, out io.Writer) error {
	w := &writer{name: role.Name, events: json.NewEncoder(out), commands: readCommands(in)}
	opts := holdfast.Options{}
	if role.Lock != "" {
		w.clock = newStoppedClock()
		locking.RegisterBackend(stoppedScheme, w.clock.open)
		opts.Lock = strings.Replace(role.Lock, leasefile.Scheme, stoppedScheme, 1)
	}
	var err error
	if w.db, err = holdfast.Open(role.DSN, opts); err != nil {
		return err
	}
	return errors.Join(w.run(ctx), w.db.Close())
}

func readCommands(in io.Reader) <-chan command {
	commands := make(chan command)
	go func() {
		defer close(commands)
		for lines := bufio.NewScanner(in); lines.Scan(); {
			commands <- command(lines.Text())
		}
	}()
	return commands
}

func (w *writer) send(e event) error {
	e.At = time.Now()
	return w.events.Encode(e)
}

func (w *writer) run(ctx context.Context) error {
	if err := w.send(event{Kind: ready}); err != nil {
		return err
	}
	wait := time.NewTimer(0)
	standStill := false
	for n := 1; ; {
		select {
		case c, ok := <-w.commands:
			if !ok || c == stop {
				return w.send(event{Kind: stopped})
			}
			standStill = c == pause
		case <-wait.C:
			if err := w.transaction(ctx, n, standStill); err != nil {
				return errors.Join(err, w.send(event{Kind: broken, Row: n, Reason: err.Error()}))
			}
			n, standStill, w.stood = n+1, standStill && !w.stood, false
			wait.Reset(think)
		}
	}
}

// transaction writes row n, and tells what became of it. Only what makes going on
// pointless is an error.
func (w *writer) transaction(ctx context.Context, n int, standStill bool) error {
	conn, err := w.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if w.clock != nil {
		defer w.clock.goOn()
	}
	tx, err := conn.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelSerializable}) // BEGIN IMMEDIATE
	if err != nil {
		return w.failed(n, err, false)
	}
	e := event{Kind: committed, Row: n, Began: time.Now()}
	e.Epoch, e.Level = holding(conn)
	err = transfer(ctx, tx, w.name, n)
	if err == nil && standStill {
		err = w.standStill(conn, e)
	}
	if err != nil {
		tx.Rollback()
		return w.failed(n, err, false)
	}
	e.Until = time.Now()
	if err := tx.Commit(); err != nil {
		// After standing still there is no doubt, though this process cannot know: when
		// it was frozen its journal was there, so whoever took over undid the transaction.
		return w.failed(n, err, !standStill)
	}
	return w.send(e)
}

// failed tells of a transaction that did not go through, or in doubt may have.
// Whoever lost the lease goes on with a new connection, which the pool opens by
// itself.
func (w *writer) failed(n int, err error, doubt bool) error {
	switch {
	case errors.Is(err, holdfast.ErrHeld):
		return nil // waited long enough: the next transaction tries again
	case errors.Is(err, holdfast.ErrLost), doubt:
		return w.send(event{Kind: refused, Row: n, Doubt: doubt, Reason: err.Error()})
	}
	return err
}

// standStill writes the changes to the database file, which makes the journal hot
// and takes EXCLUSIVE, and waits there to be killed or frozen.
func (w *writer) standStill(conn *sql.Conn, e event) error {
	err := conn.Raw(func(driverConn any) error {
		raw := driverConn.(interface{ Raw() *sqlite3.Conn }).Raw()
		return vfs.Explain(raw, raw.CacheFlush())
	})
	if err != nil {
		return err
	}
	if w.clock != nil {
		w.clock.standStill()
	}
	e.Kind, e.Until = inside, time.Now()
	e.Epoch, e.Level = holding(conn)
	if err := w.send(e); err != nil {
		return err
	}
	w.stood = true
	<-w.commands // "go", or the director is gone
	if w.clock != nil {
		w.clock.wakeUp()
	}
	return nil
}

// holding returns under which epoch the connection holds which level.
func holding(conn *sql.Conn) (epoch uint64, level string) {
	conn.Raw(func(driverConn any) error {
		raw := driverConn.(interface{ Raw() *sqlite3.Conn }).Raw()
		if f := vfs.FileOf(raw, "main"); f != nil {
			epoch, level = uint64(f.Epoch()), f.Level().String()
		}
		return nil
	})
	return epoch, level
}
