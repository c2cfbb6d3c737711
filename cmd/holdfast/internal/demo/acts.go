package demo

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/holdfastdb/holdfast"
)

var ownPID = os.Getpid()

// frozen is the writer that is frozen.
const frozen = "A"

// patience is how long the director waits for what should happen soon.
const patience = 20 * time.Second

// warmUp has all three write.
func (d *director) warmUp(ctx context.Context) error {
	err := d.await(ctx, patience, "all three writing", func() bool {
		for _, w := range d.writers {
			if len(w.rows) < 10 {
				return false
			}
		}
		return true
	})
	if err != nil {
		return err
	}
	return d.rest(ctx, d.opts.Length/5)
}

// interlude lets those that are left take turns.
func (d *director) interlude(ctx context.Context) error { return d.rest(ctx, d.opts.Length/5) }

// standStill has a writer stop in the middle of a transaction, with its changes in
// the database file and the journal hot.
func (d *director) standStill(ctx context.Context, name string) (event, error) {
	w := d.writers[name]
	w.inside = event{}
	if err := d.child(name).tell(pause); err != nil {
		return event{}, err
	}
	err := d.await(ctx, patience, name+" standing still in a transaction", func() bool { return w.inside.Row > 0 })
	return w.inside, err
}

// successor waits until another writer has a row acknowledged under a later epoch
// than e has, and returns which and how long after since it got the database.
func (d *director) successor(ctx context.Context, limit time.Duration, since time.Time, e event) (string, time.Duration, error) {
	var next turn
	err := d.await(ctx, limit, "another writer taking over", func() bool {
		var ok bool
		next, ok = d.turns.after(e.Epoch)
		return ok
	})
	return next.holder, next.from.Sub(since), err
}

// killOne kills B in the middle of a transaction.
func (d *director) killOne(ctx context.Context) error {
	e, err := d.standStill(ctx, "B")
	if err != nil {
		return err
	}
	w := d.writers["B"]
	w.told, w.state = true, "killed"
	w.undone = append(w.undone, e.Row)
	at := time.Now()
	d.child("B").kill()
	d.screen.event(d, "B is killed inside transaction %d, holding %s (epoch %d), its changes half in the file", e.Row, e.Level, e.Epoch)
	next, after, err := d.successor(ctx, d.ttl+patience, at, e)
	if err != nil {
		return err
	}
	d.remark(e, "killed in a transaction")
	d.screen.event(d, "%s goes on %s later, and rolled the half transaction back", next, short(after))
	return d.tellFile(ctx)
}

// tellFile tells which file is the database, and what else there is by its name.
func (d *director) tellFile(ctx context.Context) error {
	status, err := holdfast.Status(ctx, d.dsn)
	if err != nil {
		return err
	}
	file := cmp.Or(status.File, database)
	found, err := filepath.Glob(filepath.Join(d.dir, database+"*"))
	if err != nil {
		return err
	}
	text := "the database is " + file
	for _, path := range found {
		name := filepath.Base(path)
		if !strings.HasPrefix(name, file) && !strings.HasPrefix(name, database+".") {
			text += "; there is still " + name
		}
	}
	d.screen.event(d, "%s", text)
	return nil
}

// freezeOne stops A in the middle of a transaction until its lease has expired and
// another has gone on, and wakes it up.
func (d *director) freezeOne(ctx context.Context) error {
	if !canFreeze {
		d.screen.event(d, "the act in which one is frozen is left out: this system cannot stop another process")
		return nil
	}
	if err := d.tellFile(ctx); err != nil {
		return err
	}
	e, err := d.standStill(ctx, frozen)
	if err != nil {
		return err
	}
	w := d.writers[frozen]
	at := time.Now()
	if err := d.child(frozen).freeze(); err != nil {
		return fmt.Errorf("freeze A: %w", err)
	}
	w.state = "frozen"
	d.screen.event(d, "A is frozen inside transaction %d, holding %s (epoch %d)", e.Row, e.Level, e.Epoch)
	next, after, err := d.successor(ctx, 3*d.ttl+patience, at, e)
	if err != nil {
		return err
	}
	d.remark(e, "frozen in a transaction")
	d.screen.event(d, "%s takes over %s later, when A's lease has expired, and goes on in a copy", next, short(after))
	if err := d.tellFile(ctx); err != nil {
		return err
	}
	if err := d.rest(ctx, d.opts.Length/10); err != nil {
		return err
	}
	return d.wakeUp(ctx, e)
}

// wakeUp lets A go on, which must learn that it is too late.
func (d *director) wakeUp(ctx context.Context, e event) error {
	w, c := d.writers[frozen], d.child(frozen)
	losses := w.losses
	if err := c.wake(); err != nil {
		return fmt.Errorf("wake A: %w", err)
	}
	if canStopClock(d.opts.Lock) {
		d.screen.event(d, "A wakes up, its clock as far behind as it was frozen, and commits transaction %d in its old belief", e.Row)
	} else {
		d.screen.event(d, "A wakes up and tries to commit transaction %d", e.Row)
	}
	if err := c.tell(goOn); err != nil {
		return err
	}
	rows := len(w.rows)
	err := d.await(ctx, patience, "A's answer", func() bool { return w.losses > losses || len(w.rows) > rows })
	if err != nil {
		return err
	}
	if w.losses == losses {
		return fmt.Errorf("writer A, which was frozen past its lease, had transaction %d acknowledged: that must never happen", w.rows[rows])
	}
	d.remark(e, "woken, refused")
	return d.await(ctx, patience, "A going on", func() bool { return len(w.rows) > rows })
}

// finale lets them write until the time is up, and ends them.
func (d *director) finale(ctx context.Context) error {
	if err := d.rest(ctx, max(d.opts.Length/10, d.opts.Length-time.Since(d.began))); err != nil {
		return err
	}
	for _, c := range d.children {
		w := d.writers[c.name]
		if w.ended {
			continue
		}
		w.told = true
		if err := c.tell(stop); err != nil {
			return err
		}
	}
	return d.await(ctx, patience+d.ttl, "the end of the writers", func() bool {
		for _, w := range d.writers {
			if !w.ended {
				return false
			}
		}
		return true
	})
}

func (d *director) remark(e event, text string) {
	d.notes = append(d.notes, remark{e.Epoch, text})
}

func short(d time.Duration) time.Duration {
	if d < 100*time.Millisecond {
		return d.Round(time.Millisecond)
	}
	return d.Round(10 * time.Millisecond)
}
