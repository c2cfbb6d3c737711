//go:build linux

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"golang.org/x/sync/errgroup"

	"github.com/holdfastdb/holdfast/internal/netlab/machine"
	"github.com/holdfastdb/holdfast/internal/netlab/workload"
)

// A situation is what else goes on on the machines of those who read.
type situation struct {
	name  string
	shell bool // a shell has the file open for writing all the time
	twin  bool // a second program of the same kind has it open, and reads too
}

var situations = []situation{
	{name: "default"},
	{name: "held open read-write", shell: true},
	{name: "second program", twin: true},
}

// staleRounds is how often a commit is looked for in each direction.
const staleRounds = 20

// A sighting is what readers saw of commits that were acknowledged before they began.
type sighting struct {
	reads, stale int
	wrong        []string // what is wrong with what they saw, besides
	failed       map[string]int
	why          string // the latest failure
}

// runStale prints how many reads missed a commit: mount × situation × journal mode.
func (l *lab) runStale(ctx context.Context) error {
	t := newTable()
	modes := l.timedModes()
	header := table.Row{"mount", "besides", "rounds"}
	for _, who := range l.who {
		for _, m := range modes {
			header = append(header, who+" "+m)
		}
	}
	t.AppendHeader(header)
	defer t.Render()
	var told []string
	broken := false
	for _, s := range situations {
		rows := make(map[string]table.Row)
		for _, m := range l.chosenMounts() {
			rows[m] = table.Row{m, s.name, 2 * l.staleRounds()}
		}
		for _, who := range l.who {
			for _, mode := range modes {
				seen, err := l.look(ctx, who, mode, s)
				if err != nil {
					return err
				}
				for _, m := range l.chosenMounts() {
					rows[m] = append(rows[m], seen[m].cell())
					told = append(told, seen[m].tell(fmt.Sprintf("%s on %s, %s, %s", who, m, mode, s.name))...)
					broken = broken || who == holdfast && seen[m].bad()
				}
			}
		}
		for _, m := range l.chosenMounts() {
			t.AppendRow(rows[m])
		}
		t.AppendSeparator()
	}
	t.SetCaption("Cells: reads that missed a commit which had been acknowledged before they began.%s", lines(told))
	if broken {
		return errDamage
	}
	return nil
}

func (l *lab) staleRounds() int {
	if l.short {
		return staleRounds / 2
	}
	return staleRounds
}

// look has both clients write and read in turn, on all mounts at once.
func (l *lab) look(ctx context.Context, who, mode string, in situation) (map[string]*sighting, error) {
	c, twins := l.newCrew(), l.newCrew()
	defer c.kill()
	defer twins.kill()
	seen := make(map[string]*sighting)
	g, inner := errgroup.WithContext(ctx)
	for _, m := range l.chosenMounts() {
		if who == stock && !stockRuns(m) {
			continue
		}
		s := &sighting{failed: make(map[string]int)}
		seen[m] = s
		g.Go(func() error { return l.lookOn(inner, s, c, twins, m, who, mode, in) })
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return seen, errors.Join(c.dismiss(ctx), twins.dismiss(ctx))
}

func (l *lab) lookOn(ctx context.Context, s *sighting, c, twins *crew, mount, who, mode string, in situation) error {
	db, err := c.database(ctx, mount, who, mode)
	if err != nil {
		return err
	}
	if in.shell {
		holders, err := l.holdOpen(ctx, db.path())
		defer func() {
			for _, h := range holders {
				h.Signal(9)
			}
		}()
		if err != nil {
			return err
		}
	}
	var readers [2][]*seat // by client; the first one writes too
	for client := range readers {
		crews := []*crew{c}
		if in.twin {
			crews = append(crews, twins)
		}
		for _, k := range crews {
			t, err := k.seat(ctx, client, who, db.open())
			if who == stock && kindOf(err) != "" {
				s.fail(err) // on NFS its WAL may be one that it does not open
				return nil
			}
			if err != nil {
				return err
			}
			readers[client] = append(readers[client], t)
		}
	}
	for range l.staleRounds() {
		for client := range readers {
			s.round(ctx, readers[client][0], readers[1-client])
		}
		if err := context.Cause(ctx); err != nil {
			return err
		}
	}
	return nil
}

// holdOpen has a shell on each client hold a file open for writing, with its pages read.
func (l *lab) holdOpen(ctx context.Context, file string) (holders []*machine.Process, err error) {
	ctx, cancel := context.WithTimeout(ctx, workerBound)
	defer cancel()
	for _, m := range l.cluster.Clients {
		p, err := m.Start(ctx, []string{"/bin/sh", "-c", `exec 3<>"$1" && cat <&3 >/dev/null && echo open && exec sleep 100000`, "sh", file})
		if err != nil {
			return holders, err
		}
		holders = append(holders, p)
		told := make(chan error, 1)
		go func() { // ends with the process
			_, err := p.Stdout.Read(make([]byte, 16))
			told <- err
		}()
		select {
		case err = <-told:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		if err != nil {
			return holders, fmt.Errorf("shell on %s does not hold %s open: %w: %s", m.Name(), path.Base(file), err, p.Stderr())
		}
	}
	return holders, nil
}

// round has one client commit, and looks whether the readers on the other one see it.
func (s *sighting) round(ctx context.Context, writer *seat, readers []*seat) {
	row, _, err := writer.append(ctx)
	if err != nil {
		s.fail(err)
		return
	}
	for _, r := range readers {
		reply, err := r.order(ctx, workload.Command{Do: workload.DoRead, Limit: opLimit, Read: &workload.Read{Deep: true}})
		if err != nil {
			s.fail(err)
			continue
		}
		s.reads++
		if !reply.Read.Ledger.Has(row) {
			s.stale++
			s.wrong = append(s.wrong, fmt.Sprintf("%v does not see row %v", r.process, row))
		}
		for _, problem := range reply.Read.Problems {
			s.wrong = append(s.wrong, fmt.Sprintf("%v: %s", r.process, problem))
		}
	}
}

func (s *sighting) fail(err error) {
	s.failed[cmp.Or(kindOf(err), workload.KindNoAnswer)]++
	s.why = err.Error()
}

// bad reports whether Holdfast broke a promise. An operation that failed did not.
func (s *sighting) bad() bool {
	return s != nil && (len(s.wrong) > 0 || s.failed[workload.KindCorrupt] > 0)
}

func (s *sighting) cell() string {
	if s == nil {
		return "cannot write"
	}
	text := fmt.Sprintf("%d of %d", s.stale, s.reads)
	if s.stale > 0 {
		text = fmt.Sprintf("STALE %d of %d", s.stale, s.reads)
	}
	for kind, n := range s.failed {
		text += fmt.Sprintf(", %d %s", n, kind)
	}
	return text
}

// tell says what was seen, a little of it.
func (s *sighting) tell(where string) (lines []string) {
	if s == nil {
		return nil
	}
	for i, w := range s.wrong {
		if i == 3 {
			lines = append(lines, fmt.Sprintf("%s: and %d more", where, len(s.wrong)-i))
			break
		}
		lines = append(lines, where+": "+w)
	}
	if s.why != "" {
		lines = append(lines, where+": "+strings.TrimSpace(s.why))
	}
	return lines
}
