package holdfast

import (
	"maps"
	"slices"
	"time"

	"github.com/holdfastdb/holdfast/locking"
)

// askedFor is how long a connection that is put back into the pool gives way
// after the last time that another process was seen asking: longer than a
// coordinator takes to look again, and short for what it costs to be wrong.
const askedFor = time.Second

func (d *database) isAsked() bool {
	at := d.asked.Load()
	return at != nil && time.Since(*at) < askedFor
}

// yield closes the connections that lie idle and yet keep a lock, as those to a
// database in WAL mode do, so that this process can step down.
func (d *database) yield() {
	// First, so that no connection is put back unseen: see conn.IsValid.
	now := time.Now()
	d.asked.Store(&now)
	d.mu.Lock()
	conns := slices.Collect(maps.Keys(d.conns))
	d.mu.Unlock()
	for _, c := range conns {
		c.yield(d)
	}
}

// yield closes the connection if it lies idle and keeps d from stepping down.
func (c *conn) yield(d *database) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.idle && !c.dead && c.obstructs(d) {
		c.shut()
	}
}

// obstructs reports whether the connection keeps a level of d though it has no
// transaction, and not because it was told to. The caller holds mu or uses the
// connection.
func (c *conn) obstructs(d *database) bool {
	if !c.raw.GetAutocommit() {
		return false // somebody began a transaction without telling database/sql
	}
	holds := false
	for f := range c.files {
		holds = holds || f.Locker() == d && f.Level() > locking.None
	}
	if !holds {
		return false
	}
	mode, err := c.pragma("locking_mode")
	return err == nil && mode != "exclusive"
}

// shut closes an idle connection for good. The caller holds mu.
func (c *conn) shut() {
	c.dead = true
	for _, s := range slices.Collect(c.raw.Stmts()) {
		s.Close()
	}
	// If the program left a backup or a blob open this fails: Close tries again.
	c.raw.Close()
}
