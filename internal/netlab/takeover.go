//go:build linux

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/holdfastdb/holdfast/internal/netlab/workload"
)

// An accident is how a holder falls silent in the middle of its work.
type accident struct {
	name    string
	happen  func(ctx context.Context, l *lab, p *process) error
	recover func(ctx context.Context, l *lab) error
}

var accidents = []accident{
	{"killed", func(_ context.Context, _ *lab, p *process) error { return p.kill() }, func(context.Context, *lab) error { return nil }},
	{"link cut",
		func(ctx context.Context, l *lab, p *process) error { return p.on.Cut(ctx) },
		func(ctx context.Context, l *lab) error { return l.cluster.Clients[victim].Restore(ctx) }},
	{"machine off",
		func(ctx context.Context, l *lab, p *process) error { return p.on.Off(ctx) },
		func(ctx context.Context, l *lab) error {
			m := l.cluster.Clients[victim]
			if err := m.On(ctx); err != nil {
				return err
			}
			return l.putWorkers(ctx, m)
		}},
}

// takeoverBound is when the other client should have committed, whatever is to be copied.
const takeoverBound = 10 * time.Minute

// A succession is one takeover.
type succession struct {
	accident string
	streamed bool          // the copier was kept from having the server copy
	took     time.Duration // from the accident to the other client's first commit
	copied   time.Duration // of that, by the copy that counts; 0: nothing was copied
	bytes    int64
	tries    int      // how often a copy was begun
	log      []string // what Holdfast said meanwhile
}

// runTakeover prints how long a client waits for the database of one that fell silent.
func (l *lab) runTakeover(ctx context.Context) error {
	if !slices.Contains(l.who, holdfast) {
		fmt.Println("Stock SQLite takes nothing over.")
		return nil
	}
	t := newTable()
	t.AppendHeader(table.Row{"mount", "database", "accident", "copied by", "to the first commit", "ttl + x", "copies", "the last one", "its share of x", "MB/s"})
	t.SetCaption("From the accident of a client that commits without pause until another one, which asks at that moment, has committed. The ttl is %v.", l.ttl)
	defer t.Render()
	for _, mount := range l.takeoverMounts() {
		for _, mb := range l.sizes() {
			all, err := l.succeed(ctx, mount, mb)
			for _, s := range all {
				t.AppendRow(s.row(mount, mb, l.ttl))
			}
			if err != nil {
				return err
			}
		}
		t.AppendSeparator()
	}
	return nil
}

// takeoverMounts are those that differ in who copies, unless they were chosen.
func (l *lab) takeoverMounts() []string {
	if len(l.mounts) > 0 {
		return l.mounts
	}
	return slices.DeleteFunc(l.chosenMounts(), func(m string) bool { return !slices.Contains([]string{"nfs3", "nfs42", "smb"}, m) })
}

// sizes of the database, in MB.
func (l *lab) sizes() []int {
	if l.short {
		return []int{1, 64}
	}
	return []int{1, 1000}
}

// succeed has a database of so many MB taken over again and again.
func (l *lab) succeed(ctx context.Context, mount string, mb int) (all []succession, err error) {
	c := l.newCrew()
	defer c.kill()
	mode := "delete"
	if len(l.modes) > 0 {
		mode = l.modes[0]
	}
	db, err := c.database(ctx, mount, holdfast, mode)
	if err != nil {
		return nil, err
	}
	if err := c.dismiss(ctx); err != nil {
		return nil, err
	}
	if err := l.enlarge(ctx, db, mb); err != nil {
		return nil, err
	}
	type try struct {
		accident
		streamed bool
	}
	var tries []try
	for _, a := range accidents {
		tries = append(tries, try{a, false})
	}
	tries = append(tries, try{accidents[0], true})
	for _, y := range tries {
		s, err := l.takeOver(ctx, c, db, y.accident, y.streamed)
		if err != nil {
			return all, fmt.Errorf("%v, %d MB, %s: %w", db, mb, y.name, err)
		}
		all = append(all, s)
		l.sayf("%v, %d MB, %s: %v, copy %v%s", db, mb, y.name, s.took, s.copied, lines(s.log))
	}
	if err := c.dismiss(ctx); err != nil {
		return all, err
	}
	_, err = l.server(ctx, "rm -rf /srv/export/"+db.dir)
	return all, err
}

// enlarge fills a database that nobody has open, on the server, which is quick.
func (l *lab) enlarge(ctx context.Context, db *subject, mb int) error {
	const each = 50 // MB at a time
	for mb > 0 {
		n := min(mb, each)
		line := fmt.Sprintf("cd /srv/export/%s && sqlite3 app.db 'WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM i WHERE n < %d) INSERT INTO filler SELECT zeroblob(1000000) FROM i'", db.dir, n)
		if _, err := l.server(ctx, line); err != nil {
			return err
		}
		mb -= n
	}
	return nil
}

// takeOver has the victim work, and lets something happen to it.
func (l *lab) takeOver(ctx context.Context, c *crew, db *subject, a accident, streamed bool) (s succession, err error) {
	s = succession{accident: a.name, streamed: streamed}
	heir, err := c.seat(ctx, other, holdfast, db.heirs(streamed))
	if err != nil {
		return s, err
	}
	holder, err := c.seat(ctx, victim, holdfast, db.open())
	if err != nil {
		return s, err
	}
	if _, err := holder.bench(ctx, workload.Bench{Kind: workload.BenchCommit, Count: 5}); err != nil {
		return s, err
	}
	working, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		holder.order(working, workload.Command{Do: workload.DoBench, Bench: &workload.Bench{Kind: workload.BenchCommit, For: takeoverBound}})
	}()
	defer func() {
		cancel()
		<-ended
	}()
	if err := sleep(ctx, time.Second); err != nil { // it is in the middle of something now
		return s, err
	}
	before := len(heir.proc.Stderr())
	began := time.Now()
	if err := a.happen(ctx, l, holder.process); err != nil {
		return s, err
	}
	err = heir.inherit(ctx)
	s.took = time.Since(began)
	if err == nil {
		err = s.read(ctx, heir, before)
	}
	c.giveUp(victim, holdfast)
	err = errors.Join(err, a.recover(ctx, l), heir.leave(ctx))
	holder.kill() // it may be gone, with its machine
	return s, err
}

// heirs is how the one opens the database who will take it over. With traps its files
// are not the kernel's, so that the bytes have to go through the program.
func (s *subject) heirs(streamed bool) *workload.Open {
	o := s.open()
	o.Busy, o.Traps = takeoverBound, streamed
	return o
}

// inherit commits one row, however long the database has to be copied for that.
func (t *seat) inherit(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, takeoverBound)
	defer cancel()
	t.last++
	_, err := t.Must(ctx, workload.Command{
		Do: workload.DoAppend, Conn: t.conn,
		Append: &workload.Append{Writer: fmt.Sprintf("%v-%s", t.process, t.conn), N: t.last, From: 0, To: 1, Amount: 1, Book: -1},
	})
	return err
}

// What Holdfast logs when it begins a takeover, and when one is done.
var (
	takingOver = regexp.MustCompile(`taking a database over`)
	takenOver  = regexp.MustCompile(`database taken over .*bytes=(\d+) took=(\S+)`)
)

// read finds in the heir's log how long the copy took. What a program has logged may
// arrive after its answer.
func (s *succession) read(ctx context.Context, heir *seat, after int) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for {
		log := heir.proc.Stderr()
		log = log[min(after, len(log)):]
		m := takenOver.FindStringSubmatch(log)
		if m == nil && sleep(ctx, 50*time.Millisecond) == nil {
			continue
		}
		s.log, s.tries = strings.Split(strings.TrimSpace(log), "\n"), len(takingOver.FindAllString(log, -1))
		if m == nil {
			return nil // the holder had nothing in doubt
		}
		if s.bytes, err = strconv.ParseInt(m[1], 10, 64); err == nil {
			s.copied, err = time.ParseDuration(m[2])
		}
		return err
	}
}

func (s succession) row(mount string, mb int, ttl time.Duration) table.Row {
	by := "the file system"
	if s.streamed {
		by = "Holdfast"
	}
	x := s.took - ttl
	row := table.Row{mount, fmt.Sprintf("%d MB", mb), s.accident, by, fmt.Sprintf("%.1f s", s.took.Seconds()), fmt.Sprintf("%v + %.1f s", ttl, x.Seconds())}
	if s.copied == 0 {
		return append(row, "none", "-", "-", "-")
	}
	return append(row, s.tries,
		fmt.Sprintf("%.2f s", s.copied.Seconds()),
		fmt.Sprintf("%.0f %%", 100*s.copied.Seconds()/cmp.Or(x.Seconds(), 1)),
		fmt.Sprintf("%.0f", float64(s.bytes)/1e6/s.copied.Seconds()))
}
