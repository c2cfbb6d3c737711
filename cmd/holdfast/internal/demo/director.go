package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// A director starts the writers, tells them what to do, and collects what they
// say. Everything but the writers' pipes runs on its caller's goroutine.
type director struct {
	opts   Options
	dir    string // where the database lies
	dsn    string
	ttl    time.Duration
	screen *screen
	began  time.Time

	events   chan event
	children []*child
	writers  map[string]*tally
	notes    []remark // what happened to the holder of an epoch
	locks    []string // of the operating system, that were seen
	looks    int      // how often they were looked for
	turns    turns
}

// A tally is what is known of one writer.
type tally struct {
	state  string
	epoch  uint64
	rows   []int // acknowledged
	undone []int // that must not be there
	doubt  []int // that may be there
	inside event // where it stands still
	ended  bool
	told   bool   // to end
	reason string // why it ended, if it was not told
	losses int
}

// A remark belongs to a turn in the table at the end.
type remark struct {
	epoch uint64
	text  string
}

func newDirector(opts Options, dir, dsn string, ttl time.Duration, s *screen) *director {
	return &director{opts: opts, dir: dir, dsn: dsn, ttl: ttl, screen: s, began: time.Now(),
		events: make(chan event), writers: make(map[string]*tally), turns: make(turns)}
}

// play runs the acts. Whatever happens, no writer is left when it returns.
func (d *director) play(ctx context.Context) error {
	defer d.clear()
	for _, name := range []string{"A", "B", "C"} {
		role := Role{DSN: d.dsn, Name: name}
		if name == frozen && canStopClock(d.opts.Lock) {
			role.Lock = d.opts.Lock
		}
		c, err := startChild(d.opts.Writer, role, d.events)
		if err != nil {
			return err
		}
		d.children = append(d.children, c)
		d.writers[name] = &tally{state: "starting"}
	}
	d.began = time.Now()
	for _, act := range []func(context.Context) error{d.warmUp, d.killOne, d.interlude, d.freezeOne, d.finale} {
		if err := act(ctx); err != nil {
			return err
		}
	}
	return nil
}

// clear ends what is left of the writers, also frozen ones, and waits for them.
func (d *director) clear() {
	for _, c := range d.children {
		c.kill()
	}
	for slices.ContainsFunc(d.children, func(c *child) bool { return !d.writers[c.name].ended }) {
		d.take(<-d.events)
	}
}

func (d *director) child(name string) *child {
	i := slices.IndexFunc(d.children, func(c *child) bool { return c.name == name })
	return d.children[i]
}

// await takes events until happened says so. After limit it gives up and says what
// did not happen.
func (d *director) await(ctx context.Context, limit time.Duration, what string, happened func() bool) error {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !happened() {
		select {
		case e := <-d.events:
			if err := d.take(e); err != nil {
				return err
			}
		case <-tick.C:
			d.look()
			d.screen.draw(d)
			if d.screen.err != nil {
				return d.screen.err
			}
		case <-deadline.C:
			return fmt.Errorf("%s did not happen within %v", what, limit)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// rest lets the writers write for a while.
func (d *director) rest(ctx context.Context, length time.Duration) error {
	end := time.Now().Add(length)
	return d.await(ctx, length+time.Minute, "the end of a pause", func() bool { return !time.Now().Before(end) })
}

// look searches for locks of the operating system.
func (d *director) look() {
	if !watchesLocks {
		return
	}
	pids := []int{ownPID}
	for _, c := range d.children {
		if !d.writers[c.name].ended {
			pids = append(pids, c.cmd.Process.Pid)
		}
	}
	d.looks++
	d.locks = append(d.locks, osLocks(pids)...)
}

// take notes one event. An end that nobody asked for is an error.
func (d *director) take(e event) error {
	w := d.writers[e.writer]
	switch e.Kind {
	case ready:
		w.state = "writing"
	case committed:
		w.rows = append(w.rows, e.Row)
		w.epoch = e.Epoch
		d.turns.add(e, 1)
		if w.state == "refused" {
			w.state = "writing"
			d.screen.event(d, "%s goes on with a new connection (epoch %d)", e.writer, e.Epoch)
		}
	case inside:
		w.inside = e
		d.turns.add(e, 0)
	case refused:
		w.losses++
		w.state = "refused"
		if e.Doubt {
			w.doubt = append(w.doubt, e.Row)
			d.screen.event(d, "%s is refused while it commits: nobody told it whether transaction %d happened", e.writer, e.Row)
			break
		}
		w.undone = append(w.undone, e.Row)
		d.screen.event(d, "%s is refused, transaction %d never happened: %s", e.writer, e.Row, e.Reason)
	case broken:
		w.reason = e.Reason
	case stopped:
		w.told = true
	case gone:
		w.ended = true
		if !w.told {
			w.state = "ended"
			return fmt.Errorf("writer %s ended by itself: %s", e.writer, errors.Join(errors.New(w.reason), errors.New(e.Reason)))
		}
	}
	return nil
}
