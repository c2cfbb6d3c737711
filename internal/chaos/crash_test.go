//go:build linux

package chaos

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// crashSettings are what a process that is going to be killed is started with.
type crashSettings struct {
	DSN   string
	First int    // number of its first transaction
	After int    // how many to commit before it halts; 0: it never does
	Halt  string // where: atRest or inWrite
}

// A step is what it says.
type step struct {
	Tried     int `json:",omitempty"`
	Committed int `json:",omitempty"`
	Halted    bool
}

// Each transaction writes rowsEach rows of its own, and all of crashPages.
const (
	rowsEach   = 5
	crashPages = 40
)

// crashWorker commits one transaction after the other.
func crashWorker() error {
	var s crashSettings
	if err := settings(&s); err != nil {
		return err
	}
	db, err := sql.Open("holdfast", s.DSN)
	if err != nil {
		return err
	}
	for n := s.First; ; n++ {
		last := s.After > 0 && n == s.First+s.After
		if last && s.Halt == atRest {
			halt()
		}
		say(step{Tried: n})
		err := crashTransaction(db, n, last)
		if err != nil {
			return fmt.Errorf("transaction %d: %w", n, err)
		}
		say(step{Committed: n})
	}
}

func crashTransaction(db *sql.DB, n int, halts bool) error {
	tx, err := db.BeginTx(context.Background(), nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for i := range rowsEach {
		if _, err := tx.Exec(`INSERT INTO row VALUES (?, ?)`, n, i); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(`UPDATE page SET n = ?, b = randomblob(3000)`, n); err != nil {
		return err
	}
	if halts {
		halt()
	}
	return tx.Commit()
}

// halt waits to be killed.
func halt() {
	say(step{Halted: true})
	select {}
}

// A process that is killed at any moment leaves a database in which each of its
// transactions is there or not, and is if it was acknowledged.
func TestKilledInEveryJournalMode(t *testing.T) {
	for _, tt := range []struct {
		mode   string
		params []string
		halts  bool
	}{
		{mode: "delete", params: []string{"_pragma", spill}},
		{mode: "truncate", params: []string{"_pragma", spill}},
		{mode: "persist", params: []string{"_pragma", spill}},
		{mode: "wal", params: []string{"_pragma", spill, "_pragma", "wal_autocheckpoint(50)"}},
		// A journal in memory dies with its process, and so cannot be had over a fence.
		// Without one its process is killed at rest, or in a
		// transaction of which nothing has left its cache.
		{mode: "memory", params: []string{"fence", "off"}, halts: true},
	} {
		t.Run(tt.mode, func(t *testing.T) {
			t.Parallel()
			c := newCrash(t, append(tt.params, "_pragma", "journal_mode("+tt.mode+")"))
			rounds := lasting(15, 60)
			for round := range rounds {
				set := crashSettings{DSN: c.dsn, First: c.next}
				switch {
				case tt.halts:
					set.After, set.Halt = 1+c.rng.IntN(5), []string{atRest, inWrite}[round%2]
				case round == 0: // with pages in the file that its cache has no room for: one journal is hot for certain
					set.After, set.Halt = 1, inWrite
				}
				c.run(set)
				if wrong := c.recover(); len(wrong) > 0 {
					t.Fatal(strings.Join(wrong, "; "))
				}
			}
			if !tt.halts && c.hot == 0 {
				t.Error("no journal was ever hot")
			}
			t.Logf("%d kills, %d left something to recover; %d transactions acknowledged, %d in doubt of which %d happened",
				rounds, c.hot, c.acknowledged, c.doubtful, c.happened)
		})
	}
}

// A crash is a database whose writers are killed.
type crash struct {
	t            *testing.T
	rng          *rand.Rand
	path, dsn    string
	next         int // transaction
	committed    int // the last that was acknowledged
	tried        int // the last that was begun
	hot          int // how many kills left a journal or a WAL to recover from
	acknowledged int
	doubtful     int // transactions that were begun and not acknowledged
	happened     int // and turned out to be there
}

func newCrash(t *testing.T, params []string) *crash {
	rng, _ := choices(t)
	c := &crash{t: t, rng: rng, path: database(t), next: 1}
	c.dsn = leased(c.path, params...)
	a := startAgent(t, c.dsn)
	a.exec(`CREATE TABLE row (n INTEGER, i INTEGER, PRIMARY KEY (n, i)) WITHOUT ROWID`)
	a.exec(`CREATE TABLE page (id INTEGER PRIMARY KEY, n INTEGER, b BLOB)`)
	a.exec(fmt.Sprintf(`WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM s WHERE i < %d) INSERT INTO page SELECT i, 0, zeroblob(3000) FROM s`, crashPages))
	a.must("close", "")
	a.end()
	return c
}

// run starts a writer and kills it.
func (c *crash) run(set crashSettings) {
	c.t.Helper()
	p := start(c.t, "crash", set)
	delay := between(c.rng, 0, 60*time.Millisecond)
	for {
		var s step
		if !p.hear(&s, patience) {
			break
		}
		first := c.committed < set.First
		c.tried, c.committed = max(c.tried, s.Tried), max(c.committed, s.Committed)
		if s.Halted {
			p.kill()
		}
		if first && s.Committed > 0 && set.After == 0 {
			time.AfterFunc(delay, p.kill)
		}
	}
	if state := p.ended(patience); state.Exited() {
		c.t.Fatalf("the writer ended by itself: %s", p.stderr)
	}
	c.acknowledged += c.committed - set.First + 1
	if c.isHot() {
		c.hot++
	}
}

// isHot reports whether there is something to recover from.
func (c *crash) isHot() bool {
	file := currentFile(c.path)
	journal, err := os.ReadFile(file + "-journal")
	if err == nil && len(journal) > 0 && journal[0] != 0 {
		return true
	}
	wal, err := os.Stat(file + "-wal")
	return err == nil && wal.Size() > 0
}

// recover has another process open the database, and returns what is wrong with it.
func (c *crash) recover() (wrong []string) {
	c.t.Helper()
	a := startAgent(c.t, c.dsn)
	defer a.end()
	pages := a.value(`SELECT DISTINCT n FROM page`)
	last, err := strconv.Atoi(pages)
	if err != nil || last != c.committed && last != c.tried {
		return []string{fmt.Sprintf("the pages are from transaction %s; %d was acknowledged, and %d begun",
			strings.ReplaceAll(pages, "\n", " and "), c.committed, c.tried)}
	}
	if c.tried > c.committed {
		c.doubtful++
		c.happened += last - c.committed
	}
	want := fmt.Sprint(last, " ", last*rowsEach)
	if got := a.value(`SELECT count(DISTINCT n) || ' ' || count(*) FROM row WHERE n <= ? AND i < ?`, last, rowsEach); got != want {
		wrong = append(wrong, fmt.Sprintf("transactions and rows are %s, want %s", got, want))
	}
	if got := a.value(`SELECT count(*) FROM row WHERE n > ?`, last); got != "0" {
		wrong = append(wrong, got+" rows of transactions that did not happen")
	}
	intact(c.t, c.path, a)
	c.next, c.committed = last+1, last
	return wrong
}

// Without a journal the same kills tear the database: the test above would notice.
func TestKilledWithoutJournalIsTorn(t *testing.T) {
	t.Parallel()
	c := newCrash(t, []string{"fence", "off", "_pragma", spill, "_pragma", "journal_mode(off)"})
	const most = 50
	for kills := 1; kills <= most; kills++ {
		set := crashSettings{DSN: c.dsn, First: c.next}
		if kills == most { // with part of a transaction in the file for certain
			set.After, set.Halt = 1, inWrite
		}
		c.run(set)
		if wrong := c.recover(); len(wrong) > 0 {
			t.Logf("noticed after %d kills: %s", kills, wrong[0])
			return
		}
	}
	t.Errorf("%d kills without a journal did no harm: the test does not bite", most)
}
